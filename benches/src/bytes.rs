//! A file of 1 GB up and down, each side in a process of its own: litink beside boto3 on an
//! S3-compatible server, and beside supabase-py on a server of Supabase's shape.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use futures::{StreamExt, TryStreamExt, stream};
use litink_benches::stores;
use litink_core::{
    Actor, LOCAL_USER,
    storage::{Area, PutOptions, Storage, StorageKey},
};
use litink_providers::{
    object_store::ObjectStorage,
    supabase::{SecretKey, SupabaseClient, SupabaseConfig, SupabaseStorage},
    url::BackendUrl,
};
use serde_json::{Value, json};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Runtime,
};
use uuid::Uuid;

use crate::{Result, peers::Peers, process, servers::Servers, table::Row};

const SIZE: u64 = 1_000_000_000;
const PIECE: usize = 256 * 1024;

/// The first argument of the process that moves litink's bytes.
pub(crate) const CHILD: &str = "--bytes";

pub(crate) fn rows(
    servers: std::result::Result<&Servers, &String>,
    peers: std::result::Result<&Peers, &String>,
) -> Result<Vec<Row>> {
    eprintln!("bytes: 1 GB through litink, boto3 and supabase-py ...");
    let servers = servers.map_err(Clone::clone)?;
    let folder = stores::folder().map_err(|error| error.to_string())?;
    let file = folder.path().join("file");
    let whole = fs::File::create(&file).and_then(|file| file.set_len(SIZE));
    whole.map_err(|error| error.to_string())?;
    let path = file.display().to_string();
    let bucket = servers.get("bucket")?;
    let mut rows = Vec::new();
    for (name, ours, theirs) in [
        (
            "S3; peer: boto3",
            vec![servers.get("s3")?],
            [
                "boto3".into(),
                servers.get("s3_endpoint")?,
                servers.get("s3_key")?,
                servers.get("s3_secret")?,
                bucket.clone(),
            ],
        ),
        (
            "Supabase; peer: supabase-py",
            vec![
                servers.get("project")?,
                servers.get("project_secret")?,
                bucket.clone(),
            ],
            [
                "supabase".into(),
                servers.get("project")?,
                servers.get("project_secret")?,
                "-".into(),
                bucket.clone(),
            ],
        ),
    ] {
        let ours = child(&[std::slice::from_ref(&path), &ours[..]].concat())?;
        let theirs = peers.map_err(Clone::clone).and_then(|peers| {
            let said = peers.output(
                "bytes.py",
                &[&theirs[..], std::slice::from_ref(&path)].concat(),
            )?;
            serde_json::from_str::<Value>(&said).map_err(|error| error.to_string())
        });
        for (what, field, unit) in [
            ("upload", "up_s", "s"),
            ("upload, CPU", "up_cpu_s", "s"),
            ("download", "down_s", "s"),
            ("download, CPU", "down_cpu_s", "s"),
            ("peak RSS", "peak_mb", "MB"),
        ] {
            let of = |said: &Value| {
                let value = said.get(field).and_then(Value::as_f64);
                value.ok_or_else(|| format!("there is no {field}"))
            };
            let peer = theirs.as_ref().map_err(Clone::clone).and_then(of);
            let what = format!("1 GB, {name}: {what}");
            rows.push(Row::beside(what, of(&ours)?, &peer, unit));
        }
    }
    Ok(rows)
}

fn child(arguments: &[String]) -> Result<Value> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .arg(CHILD)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|_| "litink could not move the file".into())
}

/// Moves a file up and down; prints what it took.
pub(crate) fn move_file(arguments: &[String]) -> Result<()> {
    let storage: Box<dyn Storage> = match arguments {
        [_, url] => match BackendUrl::parse(url) {
            Ok(BackendUrl::S3(url)) => Box::new(ObjectStorage::s3(&url).map_err(text)?),
            _ => return Err("no bucket".into()),
        },
        [_, url, secret, bucket] => {
            let config = SupabaseConfig::new(url).map_err(text)?;
            let client = SupabaseClient::new(config).map_err(text)?;
            let key = SecretKey::parse(secret).map_err(text)?;
            Box::new(SupabaseStorage::new(&client, key, bucket).map_err(text)?)
        }
        _ => return Err("a file and where to move it".into()),
    };
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let said = runtime.block_on(moved(&*storage, Path::new(&arguments[0])))?;
    println!("{said}");
    Ok(())
}

async fn moved(storage: &dyn Storage, path: &Path) -> Result<Value> {
    let key = StorageKey::new(LOCAL_USER, Area::Exports, Uuid::new_v4(), "film.mp4");
    let mut options = PutOptions::media_type("video/mp4");
    options.max_bytes = SIZE;
    let file = File::open(path).await.map_err(|error| error.to_string())?;
    let body = stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok((read > 0).then(|| (piece.into(), file)))
    });
    let (begun, before) = (Instant::now(), process::cpu("self")?);
    let put = storage.put(Actor::Service, &key, body.boxed(), &options);
    put.await.map_err(text)?;
    let (up, up_cpu) = (begun.elapsed(), process::cpu("self")? - before);

    let back = path.with_extension("back");
    let (begun, before) = (Instant::now(), process::cpu("self")?);
    let object = storage.get(Actor::Service, &key, None).await;
    let mut body = object.map_err(text)?.body;
    let io = |error: std::io::Error| error.to_string();
    let mut file = File::create(&back).await.map_err(io)?;
    while let Some(piece) = body.try_next().await.map_err(text)? {
        file.write_all(&piece).await.map_err(io)?;
    }
    file.flush().await.map_err(io)?;
    let (down, down_cpu) = (begun.elapsed(), process::cpu("self")? - before);
    let bytes = fs::metadata(&back).map_err(io)?.len();
    fs::remove_file(&back).map_err(io)?;
    if bytes != SIZE {
        return Err(format!("{bytes} bytes came back"));
    }
    storage.delete(Actor::Service, &key).await.map_err(text)?;
    Ok(json!({
        "up_s": up.as_secs_f64(),
        "up_cpu_s": up_cpu.as_secs_f64(),
        "down_s": down.as_secs_f64(),
        "down_cpu_s": down_cpu.as_secs_f64(),
        "peak_mb": process::memory_mb("self", "VmHWM")?,
    }))
}

fn text(error: litink_core::Error) -> String {
    error.to_string()
}
