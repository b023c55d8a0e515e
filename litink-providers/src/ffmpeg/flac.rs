//! The tags of FLAC files: Vorbis comments, with chapters as `CHAPTERxxx`, and a picture block
//! (RFC 9639, sections 8.6 and 8.8; <https://wiki.xiph.org/Chapter_Extension>).

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
};

use litink_core::{
    Error, Result,
    encoder::{CoverArt, EncodeRequest, PartialFile},
};

const STREAMINFO: u8 = 0;
const VORBIS_COMMENT: u8 = 4;
const PICTURE: u8 = 6;
const LAST: u8 = 0x80;
const FRONT_COVER: u32 = 3;
/// Three digits number the chapters.
const MAX_CHAPTERS: usize = 1000;

/// Copies the audio to a new file with our blocks in place of the encoder's.
pub(super) fn tag(
    bare: &PartialFile,
    request: &EncodeRequest,
    output: &Path,
) -> Result<PartialFile> {
    let mut source = BufReader::new(File::open(bare.path())?);
    let stream_info = read_blocks(&mut source)?;
    let audio_at = source.stream_position()?;
    let tagged = PartialFile::beside(output);
    let mut file = BufWriter::new(File::create_new(tagged.path())?);
    file.write_all(b"fLaC")?;
    write_block(&mut file, STREAMINFO, &stream_info)?;
    if let Some(cover) = &request.tags.cover {
        write_block(&mut file, PICTURE, &picture(cover))?;
    }
    write_block(&mut file, VORBIS_COMMENT | LAST, &comments(request))?;
    file.flush()?;
    let mut source = source.into_inner();
    source.seek(SeekFrom::Start(audio_at))?;
    std::io::copy(&mut source, file.get_mut())?;
    Ok(tagged)
}

/// Reads up to the first frame of audio, and returns the block that describes the stream.
fn read_blocks(source: &mut impl Read) -> Result<Vec<u8>> {
    let mut magic = [0; 4];
    source.read_exact(&mut magic)?;
    let mut stream_info = None;
    loop {
        let mut header = [0; 4];
        source.read_exact(&mut header)?;
        let [kind, a, b, c] = header;
        let mut body = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        source.read_exact(&mut body)?;
        if kind & !LAST == STREAMINFO {
            stream_info = Some(body);
        }
        if kind & LAST != 0 {
            break;
        }
    }
    stream_info.ok_or_else(|| Error::internal("the encoder's FLAC does not describe its stream"))
}

fn write_block(file: &mut impl Write, kind: u8, body: &[u8]) -> Result<()> {
    let too_long = || Error::invalid("tags_too_long", "FLAC tags and covers end at 16 MiB each");
    let len = u32::try_from(body.len())
        .ok()
        .filter(|len| *len < 1 << 24)
        .ok_or_else(too_long)?;
    let [_, a, b, c] = len.to_be_bytes();
    file.write_all(&[kind, a, b, c])?;
    file.write_all(body)?;
    Ok(())
}

fn picture(cover: &CoverArt) -> Vec<u8> {
    let mut block = FRONT_COVER.to_be_bytes().to_vec();
    put(&mut block, cover.media_type.as_bytes(), u32::to_be_bytes);
    put(&mut block, b"", u32::to_be_bytes); // description
    block.extend([0; 16]); // width, height, depth and colours: 0 is "see the picture"
    put(&mut block, &cover.bytes, u32::to_be_bytes);
    block
}

fn comments(request: &EncodeRequest) -> Vec<u8> {
    let fields = fields(request);
    let mut block = Vec::new();
    put(&mut block, b"litink", u32::to_le_bytes);
    block.extend((fields.len() as u32).to_le_bytes());
    for (name, value) in fields {
        put(
            &mut block,
            format!("{name}={value}").as_bytes(),
            u32::to_le_bytes,
        );
    }
    block
}

fn fields(request: &EncodeRequest) -> Vec<(String, String)> {
    let tags = &request.tags;
    let title = Some(&tags.title).filter(|title| !title.is_empty());
    let optional = [
        ("TITLE", title),
        ("ALBUM", title),
        // Audiobook players show the composer as the narrator.
        ("COMPOSER", tags.narrator.as_ref()),
        ("PUBLISHER", tags.publisher.as_ref()),
        ("DATE", tags.published.as_ref()),
        ("LANGUAGE", tags.language.as_ref()),
        ("DESCRIPTION", tags.description.as_ref()),
        ("COMMENT", tags.comment.as_ref()),
    ];
    let mut fields = vec![("GENRE".to_owned(), "Audiobook".to_owned())];
    fields.extend(
        tags.authors
            .iter()
            .map(|author| ("ARTIST".to_owned(), author.clone())),
    );
    let present = |(name, value): (&str, Option<&String>)| Some((name.to_owned(), value?.clone()));
    fields.extend(optional.into_iter().filter_map(present));
    for (i, (start, _, title)) in request
        .chapters_ms()
        .into_iter()
        .take(MAX_CHAPTERS)
        .enumerate()
    {
        fields.push((format!("CHAPTER{i:03}"), clock(start)));
        fields.push((format!("CHAPTER{i:03}NAME"), title.to_owned()));
    }
    fields
}

fn clock(ms: u64) -> String {
    let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{h:02}:{m:02}:{s:02}.{:03}", ms % 1000)
}

fn put(block: &mut Vec<u8>, bytes: &[u8], length: fn(u32) -> [u8; 4]) {
    block.extend(length(bytes.len() as u32));
    block.extend(bytes);
}
