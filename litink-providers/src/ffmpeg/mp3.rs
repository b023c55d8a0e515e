//! The tags of MP3 files: ID3v2.3 with the chapter frames of its addendum (<https://id3.org>).

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use id3::{
    Frame, Tag, TagLike, Version,
    frame::{Chapter, Comment, ExtendedText, Picture, PictureType, TableOfContents},
};
use litink_core::{
    Error, Result,
    encoder::{AudiobookTags, EncodeRequest, PartialFile},
};

use super::language;

/// What one table of contents can count. Longer ones have parts.
const MAX_ENTRIES: usize = 255;
/// "Use the times, not the byte offsets."
const NO_OFFSET: u32 = u32::MAX;

/// Puts the tag and the bare audio one after the other in a new file.
pub(super) fn tag(
    bare: &PartialFile,
    request: &EncodeRequest,
    output: &Path,
) -> Result<PartialFile> {
    let tagged = PartialFile::beside(output);
    let mut file = BufWriter::new(File::create_new(tagged.path())?);
    described(request)
        .write_to(&mut file, Version::Id3v23)
        .map_err(failed)?;
    file.flush()?;
    std::io::copy(&mut File::open(bare.path())?, file.get_mut())?;
    Ok(tagged)
}

fn described(request: &EncodeRequest) -> Tag {
    let mut tag = Tag::new();
    describe(&mut tag, &request.tags);
    if let Some(cover) = &request.tags.cover {
        tag.add_frame(Picture {
            mime_type: cover.media_type.clone(),
            picture_type: PictureType::CoverFront,
            description: String::new(),
            data: cover.bytes.to_vec(),
        });
    }
    add_chapters(&mut tag, request);
    tag
}

fn describe(tag: &mut Tag, tags: &AudiobookTags) {
    let language = tags.language.as_deref().and_then(language::iso_639_2);
    let title = Some(tags.title.clone()).filter(|title| !title.is_empty());
    let texts = [
        ("TIT2", title.clone()),
        ("TALB", title),
        ("TPE1", tags.artist()),
        ("TPE2", tags.artist()),
        // Audiobook players show the composer as the narrator.
        ("TCOM", tags.narrator.clone()),
        ("TPUB", tags.publisher.clone()),
        ("TYER", tags.year().map(str::to_owned)),
        ("TLAN", language.map(str::to_owned)),
        ("TCON", Some("Audiobook".to_owned())),
    ];
    for (id, text) in texts {
        if let Some(text) = text {
            tag.set_text(id, text);
        }
    }
    if let Some(comment) = &tags.comment {
        let lang = language.unwrap_or("und").to_owned();
        tag.add_frame(Comment {
            lang,
            description: String::new(),
            text: comment.clone(),
        });
    }
    if let Some(text) = &tags.description {
        tag.add_frame(ExtendedText {
            description: "description".into(),
            value: text.clone(),
        });
    }
}

fn add_chapters(tag: &mut Tag, request: &EncodeRequest) {
    let chapters = request.chapters_ms();
    let ids: Vec<_> = (0..chapters.len()).map(|i| format!("ch{i}")).collect();
    for (element_id, (start, end, title)) in ids.iter().cloned().zip(chapters) {
        tag.add_frame(Chapter {
            element_id,
            start_time: clamped(start),
            end_time: clamped(end),
            start_offset: NO_OFFSET,
            end_offset: NO_OFFSET,
            frames: vec![Frame::text("TIT2", title)],
        });
    }
    if ids.len() <= MAX_ENTRIES {
        if !ids.is_empty() {
            tag.add_frame(table("toc".into(), true, ids));
        }
        return;
    }
    let parts: Vec<_> = ids.chunks(MAX_ENTRIES).map(<[String]>::to_vec).collect();
    let names: Vec<_> = (0..parts.len()).map(|i| format!("toc{i}")).collect();
    for (name, part) in names.iter().zip(parts) {
        tag.add_frame(table(name.clone(), false, part));
    }
    tag.add_frame(table("toc".into(), true, names));
}

fn table(element_id: String, top_level: bool, elements: Vec<String>) -> TableOfContents {
    TableOfContents {
        element_id,
        top_level,
        ordered: true,
        elements,
        frames: vec![],
    }
}

fn clamped(ms: u64) -> u32 {
    u32::try_from(ms).unwrap_or(u32::MAX)
}

fn failed(error: id3::Error) -> Error {
    match error.kind {
        id3::ErrorKind::Io(io) => io.into(),
        _ => Error::internal("the MP3 file could not be tagged").with_source(error),
    }
}
