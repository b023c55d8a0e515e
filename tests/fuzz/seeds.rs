//! Writes the books of `tests/books` where the targets begin from: `seeds BOOKS TARGET FOLDER`.

use std::{error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [books, target, folder] = arguments.as_slice() else {
        return Err("wanted: seeds BOOKS TARGET FOLDER".into());
    };
    let ending = match target.as_str() {
        "markdown" => "md",
        "text" => "txt",
        other => other,
    };
    for entry in fs::read_dir(books)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == ending) {
            let bytes = fs::read(&path)?;
            let seed = match ending {
                "docx" | "epub" | "odt" | "zip" => litink_fuzz::unpack(&bytes)?,
                _ => bytes,
            };
            let name = path.file_name().ok_or("a book without a name")?;
            fs::write(Path::new(folder).join(name), seed)?;
        }
    }
    Ok(())
}
