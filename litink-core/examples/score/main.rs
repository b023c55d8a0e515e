//! Scores the reading of books: `cargo xtask score DIR`.
//!
//! Beside each book stands `NAME.expected.json` with any of `title`, `authors`, `language` and
//! `chapters: [{title, kind, starts_with}]`. One line a book is printed, the totals last.

mod score;

use std::{path::Path, process::ExitCode};

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: score DIR: a folder with books and NAME.expected.json beside each");
        return ExitCode::FAILURE;
    };
    match score::folder(Path::new(&folder)) {
        Ok(scores) if scores.is_empty() => {
            eprintln!("{folder} holds no NAME.expected.json");
            ExitCode::FAILURE
        }
        Ok(scores) => {
            for score in &scores {
                println!("{score}");
            }
            println!("{}", score::Totals::of(&scores));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{folder}: {error}");
            ExitCode::FAILURE
        }
    }
}
