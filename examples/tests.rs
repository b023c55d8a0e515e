//! The programs do what they say.

#![expect(
    clippy::unwrap_used,
    reason = "a test that finds something missing fails"
)]

#[cfg(unix)]
mod own_jobs {
    use std::{
        io::{BufRead, BufReader, Lines},
        path::Path,
        process::{Child, ChildStdout, Command, Stdio},
    };

    use litink_core::queue::{Job, JobQuery, JobState};
    use litink_providers::Settings;

    /// The program, ended with the value.
    struct Program {
        child: Child,
        lines: Lines<BufReader<ChildStdout>>,
    }

    impl Program {
        fn start(folder: &Path) -> Self {
            // Cargo builds examples beside the folder of tests.
            let tests = std::env::current_exe().unwrap();
            let programs = tests.parent().unwrap().with_file_name("examples");
            let mut command = Command::new(programs.join("own_jobs"));
            let command = command.arg(folder).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            Self { child, lines }
        }

        /// Its lines up to the first that all of these were in; a program that ends before fails.
        fn says(&mut self, wanted: &[&str]) -> Vec<String> {
            let mut said: Vec<String> = Vec::new();
            let in_said = |said: &[String], it: &str| said.iter().any(|line| line.contains(it));
            while !wanted.iter().all(|it| in_said(&said, it)) {
                match self.lines.next() {
                    Some(line) => said.push(line.unwrap()),
                    None => panic!("it ended, and said only {said:?}"),
                }
            }
            said
        }

        fn signal(&self, name: &str) {
            let id = self.child.id().to_string();
            let sent = Command::new("kill").args([name, &id]).status().unwrap();
            assert!(sent.success());
        }
    }

    impl Drop for Program {
        fn drop(&mut self) {
            let _ended = self.child.kill();
            let _ended = self.child.wait();
        }
    }

    async fn jobs(folder: &Path) -> Vec<Job> {
        let settings = Settings::in_folder(folder);
        let queue = litink_providers::connect(&settings).await.unwrap().queue;
        queue.list(&JobQuery::default()).await.unwrap().items
    }

    fn one<'a>(jobs: &'a [Job], about: &str) -> &'a Job {
        let about = |job: &&Job| job.args.to_string().contains(about);
        jobs.iter().find(about).unwrap()
    }

    #[tokio::test]
    async fn it_works_stops_at_a_signal_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut program = Program::start(folder.path());
        let said = program.says(&["report of 3 pages", "email to ada@example.com, attempt 2"]);
        let added = said.iter().filter(|line| line.starts_with("Added"));
        assert_eq!(added.count(), 4, "{said:?}");
        program.signal("-TERM");
        program.says(&["Draining"]);
        assert!(program.child.wait().unwrap().success());

        let stored = jobs(folder.path()).await;
        assert_eq!(stored.len(), 4);
        let ada = one(&stored, "ada@");
        assert_eq!((ada.state, ada.attempt), (JobState::Completed, 2));
        let nobody = one(&stored, "nobody");
        assert_eq!((nobody.state, nobody.attempt), (JobState::Discarded, 1));
        assert_eq!(nobody.error.as_deref(), Some("that is no address"));
        let long = one(&stored, "100000");
        assert_eq!(
            (long.state, long.attempt, long.crashes),
            (JobState::Available, 0, 0),
            "given back, no attempt used"
        );

        // Again: nothing is added twice, and what was given back runs until it is killed.
        let mut program = Program::start(folder.path());
        let said = program.says(&["Existing"; 1]);
        assert!(!said.iter().any(|line| line.starts_with("Added")));
        let leased = async {
            while one(&jobs(folder.path()).await, "100000").state != JobState::Running {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        let limit = std::time::Duration::from_secs(30);
        tokio::time::timeout(limit, leased).await.unwrap();
        program.signal("-KILL");
        assert!(!program.child.wait().unwrap().success());
        let stored = jobs(folder.path()).await;
        let long = one(&stored, "100000");
        assert_eq!(
            long.state,
            JobState::Running,
            "until its session's lease ends"
        );
        assert_eq!(stored.len(), 4);
    }
}
