use std::{
    io::{Read, Seek, SeekFrom},
    time::Duration,
};

use super::unsound;
use crate::{Error, Result};

/// What a film is, by its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::generate) struct Film {
    pub(in crate::engine::generate) media_type: &'static str,
    pub(in crate::engine::generate) ending: &'static str,
    /// As its header says; `None` for one in fragments, and for WebM, whose header is not read.
    pub(in crate::engine::generate) duration: Option<Duration>,
}

/// More boxes than this no film has at its top.
const MOST_BOXES: usize = 100_000;

/// Looks at a film: an MP4 whose boxes are all there to their ends, with a head and with pictures; or
/// a WebM, which is told by its first bytes alone.
pub(in crate::engine::generate) fn film(file: &mut (impl Read + Seek)) -> Result<Film> {
    let length = file.seek(SeekFrom::End(0)).map_err(Error::from)?;
    file.seek(SeekFrom::Start(0)).map_err(Error::from)?;
    let mut first = [0; 12];
    read(file, &mut first)?;
    if first.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
        return Ok(Film {
            media_type: "video/webm",
            ending: "webm",
            duration: None,
        });
    }
    if first.get(4..8) != Some(b"ftyp") {
        return Err(unsound(
            "not_a_film",
            "the provider sent what is no film that litink reads (MP4, WebM)",
        ));
    }
    let (mut head, mut fragments, mut pictures) = (None, false, false);
    let mut at = 0;
    for _ in 0..MOST_BOXES {
        if at == length {
            break;
        }
        let it = next(file, at, length)?;
        match &it.kind {
            b"moov" => head = Some(duration(file, &it)?),
            b"moof" => fragments = true,
            b"mdat" => pictures |= it.end > it.body,
            _ => {}
        }
        at = it.end;
    }
    match head {
        Some(time) if pictures && at == length => {
            let duration = time.filter(|it| !it.is_zero());
            if duration.is_none() && !fragments {
                return Err(broken());
            }
            Ok(Film {
                media_type: "video/mp4",
                ending: "mp4",
                duration,
            })
        }
        _ => Err(broken()),
    }
}

struct Box {
    kind: [u8; 4],
    body: u64,
    end: u64,
}

/// The box at a place, which ends at `limit` at the latest.
fn next(file: &mut (impl Read + Seek), at: u64, limit: u64) -> Result<Box> {
    file.seek(SeekFrom::Start(at)).map_err(Error::from)?;
    let mut head = [0; 8];
    read(file, &mut head)?;
    let [a, b, c, d, kind @ ..] = head;
    let (length, body) = match u32::from_be_bytes([a, b, c, d]) {
        // To the end of the file.
        0 => (limit - at, at + 8),
        1 => {
            let mut long = [0; 8];
            read(file, &mut long)?;
            (u64::from_be_bytes(long), at + 16)
        }
        length => (u64::from(length), at + 8),
    };
    let end = at.checked_add(length).filter(|end| *end <= limit);
    match end {
        Some(end) if end >= body => Ok(Box { kind, body, end }),
        _ => Err(broken()),
    }
}

/// What the head says of the time that it plays.
fn duration(file: &mut (impl Read + Seek), head: &Box) -> Result<Option<Duration>> {
    let mut at = head.body;
    while at < head.end {
        let it = next(file, at, head.end)?;
        if &it.kind == b"mvhd" {
            file.seek(SeekFrom::Start(it.body)).map_err(Error::from)?;
            let mut version = [0; 4];
            read(file, &mut version)?;
            let (scale, units) = if version[0] == 1 {
                let mut all = [0; 28];
                read(file, &mut all)?;
                let [.., s0, s1, s2, s3, d0, d1, d2, d3, d4, d5, d6, d7] = all;
                let units = u64::from_be_bytes([d0, d1, d2, d3, d4, d5, d6, d7]);
                (u32::from_be_bytes([s0, s1, s2, s3]), units)
            } else {
                let mut all = [0; 16];
                read(file, &mut all)?;
                let [.., s0, s1, s2, s3, d0, d1, d2, d3] = all;
                let units = u64::from(u32::from_be_bytes([d0, d1, d2, d3]));
                (u32::from_be_bytes([s0, s1, s2, s3]), units)
            };
            let known = scale > 0 && units < u64::from(u32::MAX) * 1_000;
            return Ok(known.then(|| Duration::from_secs_f64(units as f64 / f64::from(scale))));
        }
        at = it.end;
    }
    Ok(None)
}

fn read(file: &mut impl Read, into: &mut [u8]) -> Result<()> {
    file.read_exact(into).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => broken(),
        _ => Error::from(error),
    })
}

fn broken() -> Error {
    unsound(
        "broken_film",
        "the provider sent a film that is broken, empty, or ends too early",
    )
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut out = u32::try_from(body.len() + 8)
            .unwrap()
            .to_be_bytes()
            .to_vec();
        out.extend_from_slice(kind);
        out.extend_from_slice(body);
        out
    }

    fn mp4(units: u32, pictures: &[u8]) -> Vec<u8> {
        let mut head = vec![0; 12];
        head.extend_from_slice(&1_000_u32.to_be_bytes());
        head.extend_from_slice(&units.to_be_bytes());
        head.extend_from_slice(&[0; 80]);
        let head = boxed(
            b"moov",
            &[boxed(b"free", b""), boxed(b"mvhd", &head)].concat(),
        );
        let first = boxed(b"ftyp", b"isom\0\0\x02\0isommp42");
        [first, head, boxed(b"mdat", pictures)].concat()
    }

    fn looked_at(bytes: &[u8]) -> Result<Film> {
        film(&mut Cursor::new(bytes))
    }

    #[test]
    fn a_film_is_whole_and_plays_for_a_while() {
        let whole = mp4(4_500, b"pictures");
        let found = looked_at(&whole).unwrap();
        assert_eq!(found.duration, Some(Duration::from_millis(4_500)));
        assert_eq!(found.media_type, "video/mp4");
        for end in 12..whole.len() {
            let error = looked_at(&whole[..end]).unwrap_err();
            assert_eq!(error.code(), "broken_film", "{end}");
        }
        for (units, pictures) in [(0, b"x".as_slice()), (10, b"")] {
            let error = looked_at(&mp4(units, pictures)).unwrap_err();
            assert_eq!(error.code(), "broken_film");
            assert_eq!(error.charge(), crate::Charge::Yes);
        }
        // One in fragments says no time in its head.
        let fragments = [mp4(0, b"x"), boxed(b"moof", b"x")].concat();
        assert_eq!(looked_at(&fragments).unwrap().duration, None);
    }

    #[test]
    fn what_is_no_film_is_told_by_its_bytes() {
        let page = b"<html><body>Not found</body></html>";
        assert_eq!(looked_at(page).unwrap_err().code(), "not_a_film");
        assert_eq!(looked_at(b"").unwrap_err().code(), "broken_film");
        let webm = b"\x1a\x45\xdf\xa3 and so on";
        assert_eq!(looked_at(webm).unwrap().ending, "webm");
    }
}
