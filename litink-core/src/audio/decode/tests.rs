use proptest::prelude::*;

use super::*;
use crate::audio::wav::{self, WavTags};

fn tone(samples: usize) -> Pcm {
    let wave = |i: usize| (9_000.0 * (i as f64 * 0.1).sin()) as i16;
    Pcm {
        sample_rate: 22_050,
        samples: (0..samples).map(wave).collect(),
    }
}

fn wav_of(pcm: &Pcm) -> Vec<u8> {
    wav::to_bytes(pcm, &WavTags::default()).unwrap().to_vec()
}

fn with_lengths(pcm: &Pcm, riff: u32, data: u32) -> Bytes {
    let mut wav = wav_of(pcm);
    wav[4..8].copy_from_slice(&riff.to_le_bytes());
    wav[40..44].copy_from_slice(&data.to_le_bytes());
    wav.into()
}

fn code_of(bytes: impl Into<Bytes>) -> String {
    let error = decode(&bytes.into(), "").unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::Provider | ErrorKind::Unsupported
    ));
    error.code().to_owned()
}

#[test]
fn streamed_headers_are_read_to_the_end() {
    let pcm = tone(5_000);
    for (riff, data) in [
        (0, 0),
        (u32::MAX, u32::MAX),
        (0x7fff_f024, 0x7fff_f000),
        (36, 0),
        (u32::MAX, u32::MAX - 36),
        (0, 10_000),
    ] {
        let decoded = decode(&with_lengths(&pcm, riff, data), "audio/wav").unwrap();
        assert_eq!(decoded, pcm, "{riff:x} {data:x}");
    }
}

#[test]
fn an_odd_byte_at_the_end_of_a_stream_is_dropped() {
    let mut bytes = with_lengths(&tone(5_000), 0, 0).to_vec();
    bytes.push(7);
    assert_eq!(decode(&bytes.into(), "").unwrap(), tone(5_000));
}

#[test]
fn empty_and_broken_audio_are_told_apart() {
    assert_eq!(code_of(Bytes::new()), "empty_audio");
    assert_eq!(code_of(wav_of(&tone(0))), "empty_audio");
    assert_eq!(code_of(wav_of(&tone(100))[..36].to_vec()), "empty_audio");
    assert_eq!(code_of(wav_of(&tone(100))[..20].to_vec()), "broken_audio");
    assert_eq!(code_of(wav_of(&tone(100))[..200].to_vec()), "broken_audio");
    assert_eq!(
        code_of(b"{\"error\": \"no credit\"}".to_vec()),
        "broken_audio"
    );
    assert_eq!(code_of(vec![0x55; 40_000]), "broken_audio");
    assert_eq!(
        code_of(b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0OpusHead".to_vec()),
        "audio_format"
    );
}

#[test]
fn channels_are_averaged() {
    let mut wav = wav_of(&Pcm {
        sample_rate: 8_000,
        samples: vec![100, 300, -500, 500],
    });
    wav[22] = 2; // channels
    wav[32] = 4; // bytes a frame
    let pcm = decode(&wav.into(), "audio/wav").unwrap();
    assert_eq!(pcm.samples, [200, 0]);
}

#[test]
fn headerless_samples_need_a_rate() {
    let bytes = tone(1_000).to_le_bytes();
    let pcm = decode(&bytes, "audio/L16;codec=pcm;rate=24000").unwrap();
    assert_eq!(
        (pcm.sample_rate, pcm.samples),
        (24_000, tone(1_000).samples)
    );
    assert_eq!(
        decode(&bytes, "audio/pcm").unwrap_err().code(),
        "broken_audio"
    );
}

#[test]
fn a_probe_sees_length_peak_and_silence() {
    let probed = probe(&wav_of(&tone(22_050)).into(), "").unwrap();
    assert_eq!((probed.sample_rate, probed.samples), (22_050, 22_050));
    assert_eq!(probed.duration(), Duration::from_secs(1));
    assert!((8_990..=9_000).contains(&probed.peak) && !probed.is_silent());
    let hush = Pcm {
        sample_rate: 22_050,
        samples: vec![-9; 22_050],
    };
    assert!(probe(&wav_of(&hush).into(), "").unwrap().is_silent());
}

#[test]
fn the_limit_stops_the_decoding() {
    let bytes = wav_of(&tone(22_051)).into();
    let error = decode_limited(&bytes, "", Duration::from_secs(1)).unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::LimitExceeded, "audio_too_long")
    );
    assert!(decode_limited(&bytes, "", Duration::from_secs(2)).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn damaged_headers_never_panic(
        damage in prop::collection::vec((0usize..64, any::<u8>()), 1..8),
        len in 0usize..400,
    ) {
        let mut bytes = wav_of(&tone(150));
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        bytes.truncate(len);
        if let Ok(pcm) = decode(&bytes.into(), "") {
            prop_assert!(!pcm.samples.is_empty() && pcm.sample_rate > 0);
        }
    }

    #[test]
    fn arbitrary_bytes_after_a_known_beginning_never_panic(
        start in prop::sample::select(vec![&b"fLaC"[..], b"ID3\x03", b"\xff\xfb\x90\x64", b"\xff\xf3\x84\xc4", b"RIFF"]),
        rest in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let bytes = [start, rest.as_slice()].concat();
        if let Ok(pcm) = decode(&bytes.into(), "audio/mpeg") {
            prop_assert!(!pcm.samples.is_empty());
        }
    }
}
