//! The tags of M4B files, by the conventions of iTunes that audiobook players follow.

use std::time::Duration;

use litink_core::{
    Error, Result,
    encoder::{CoverArt, EncodeRequest, PartialFile},
};
use mp4ameta::{Chapter, Data, FreeformIdent, Img, MediaType, Tag};

/// What a Nero chapter list can count. Books with more have the chapter track alone.
const MAX_LISTED: usize = 255;
/// What one title of either list can hold, in bytes.
const MAX_TITLE_BYTES: usize = 255;

pub(super) fn tag(bare: PartialFile, request: &EncodeRequest) -> Result<PartialFile> {
    let mut tag = Tag::read_from_path(bare.path()).map_err(failed)?;
    tag.set_media_type(MediaType::AudioBook);
    describe(&mut tag, request);
    if let Some(cover) = &request.tags.cover {
        tag.set_artwork(artwork(cover));
    }
    let chapters = chapters(request);
    if chapters.len() <= MAX_LISTED {
        tag.chapter_list_mut().clone_from(&chapters);
    }
    *tag.chapter_track_mut() = chapters;
    tag.write_to_path(bare.path()).map_err(failed)?;
    Ok(bare)
}

fn describe(tag: &mut Tag, request: &EncodeRequest) {
    let tags = &request.tags;
    tag.set_custom_genre("Audiobook");
    if !tags.title.is_empty() {
        tag.set_title(&tags.title);
        tag.set_album(&tags.title);
    }
    if let Some(artist) = tags.artist() {
        tag.set_artist(&artist);
        tag.set_album_artist(artist);
    }
    if let Some(narrator) = &tags.narrator {
        // Audiobook players show the composer as the narrator.
        tag.set_composer(narrator);
    }
    if let Some(published) = &tags.published {
        tag.set_year(published);
    }
    if let Some(description) = &tags.description {
        tag.set_description(description);
    }
    if let Some(comment) = &tags.comment {
        tag.set_comment(comment);
    }
    if let Some(publisher) = &tags.publisher {
        let ident = FreeformIdent::new_static("com.apple.iTunes", "PUBLISHER");
        tag.set_data(ident, Data::Utf8(publisher.clone()));
    }
}

fn artwork(cover: &CoverArt) -> Img<Vec<u8>> {
    match cover.media_type.as_str() {
        "image/png" => Img::png(cover.bytes.to_vec()),
        _ => Img::jpeg(cover.bytes.to_vec()),
    }
}

fn chapters(request: &EncodeRequest) -> Vec<Chapter> {
    let chapter = |(start, _, title): (u64, u64, &str)| {
        Chapter::new(
            Duration::from_millis(start),
            &title[..title.floor_char_boundary(MAX_TITLE_BYTES)],
        )
    };
    request.chapters_ms().into_iter().map(chapter).collect()
}

fn failed(error: mp4ameta::Error) -> Error {
    match error.kind {
        mp4ameta::ErrorKind::Io(io) => io.into(),
        _ => Error::internal("the M4B file could not be tagged").with_source(error),
    }
}
