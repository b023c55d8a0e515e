use proptest::prelude::*;

use super::*;

const RATE: u32 = 22_050;

/// A sine between two silences, cut in the middle of the wave.
fn sine(silence_before: usize, samples: usize, silence_after: usize, hz: f64) -> Pcm {
    let wave = |i: usize| {
        let phase = i as f64 * hz / f64::from(RATE) + 0.25;
        (12_000.0 * (phase * std::f64::consts::TAU).sin()) as i16
    };
    let mut all = vec![0; silence_before];
    all.extend((0..samples).map(wave));
    all.extend(std::iter::repeat_n(0, silence_after));
    Pcm {
        sample_rate: RATE,
        samples: all,
    }
}

fn part(pcm: Pcm, after: Boundary) -> Part {
    Part {
        pcm,
        after,
        marks_ms: vec![],
    }
}

fn join(parts: Vec<Part>, options: JoinOptions) -> JoinedChapter {
    let mut joiner = Joiner::new(options);
    for part in parts {
        joiner.push(part).unwrap();
    }
    joiner.finish().unwrap()
}

fn largest_step(samples: &[i16]) -> i32 {
    samples
        .windows(2)
        .map(|w| (i32::from(w[1]) - i32::from(w[0])).abs())
        .max()
        .unwrap_or(0)
}

#[test]
fn no_click_at_a_join_although_parts_are_cut_at_the_peak_of_a_wave() {
    let hz = 220.0;
    let parts = vec![
        part(sine(0, 9_000, 0, hz), Boundary::Sentence),
        part(sine(0, 7_001, 0, hz), Boundary::Paragraph),
        part(sine(0, 4_003, 0, hz), Boundary::Chapter),
    ];
    let options = JoinOptions {
        loudness: None,
        ..JoinOptions::default()
    };
    let chapter = join(parts, options);
    // The steepest step of the sine itself is 12000 * 2 pi * 220 / 22050 = 752; a hard cut at its
    // peak would be one of 12000.
    let steepest = 12_000.0 * std::f64::consts::TAU * hz / f64::from(RATE);
    assert!(f64::from(largest_step(&chapter.pcm.samples)) < steepest * 1.02);
}

#[test]
fn a_chapter_is_as_long_as_its_parts_and_pauses() {
    let boundaries = [
        Boundary::Sentence,
        Boundary::Paragraph,
        Boundary::Scene,
        Boundary::Chapter,
        Boundary::Sentence,
    ];
    let parts = boundaries
        .iter()
        .enumerate()
        .map(|(i, after)| part(sine(0, 3_000 + i * 777, 0, 220.0), *after))
        .collect();
    let chapter = join(parts, JoinOptions::default());
    let ms = |ms: u64| samples_in(Duration::from_millis(ms), RATE);
    let spoken: u64 = (0..5).map(|i| 3_000 + i * 777).sum();
    let pauses = ms(500) + ms(250) + ms(600) + ms(1400) + ms(1000) + ms(1000);
    assert_eq!(chapter.pcm.samples.len() as u64, spoken + pauses);
    assert_eq!(chapter.parts[0].start, ms(500));
    assert_eq!(chapter.parts[1].start, chapter.parts[0].end + ms(250));
    assert_eq!(
        chapter.parts[4].end + ms(1000),
        chapter.pcm.samples.len() as u64
    );
}

#[test]
fn silence_is_trimmed_and_marks_follow() {
    // 1 s of silence, 2 s of sound, 1 s of silence; sentences at 1.0-2.0 s and 2.0-4.0 s.
    let rate = RATE as usize;
    let mut first = part(sine(rate, 2 * rate, rate, 220.0), Boundary::Sentence);
    first.marks_ms = vec![(1000, 2000), (2000, 4000)];
    let mut second = first.clone();
    // A provider that counts backwards and beyond the end does not break the order.
    second.marks_ms = vec![(1500, 2500), (900, 1000), (9_000, 8_000)];
    let chapter = join(vec![first, second], JoinOptions::default());
    let keep = samples_in(Duration::from_millis(30), RATE);
    let [one, two] = chapter.parts.as_slice() else {
        panic!("two parts")
    };
    // The wave ends near a zero, where a few samples are below the threshold.
    assert!((one.end - one.start).abs_diff(2 * rate as u64 + 2 * keep) < 3);
    assert!(one.marks[0].start.abs_diff(one.start + keep) < 3);
    assert!(one.marks[0].end.abs_diff(one.start + keep + rate as u64) < 3);
    assert_eq!(
        one.marks[1],
        SampleSpan {
            start: one.marks[0].end,
            end: one.end
        }
    );
    assert_eq!(two.marks.len(), 3);
    assert_eq!(two.marks[1].len(), 0);
    assert_eq!(
        two.marks[2],
        SampleSpan {
            start: two.end,
            end: two.end
        }
    );
}

#[test]
fn a_silent_part_is_an_empty_span() {
    let silent = Pcm {
        sample_rate: RATE,
        samples: vec![5; 10_000],
    };
    let parts = vec![
        part(silent, Boundary::Scene),
        part(sine(0, 9_000, 0, 220.0), Boundary::Chapter),
    ];
    let chapter = join(parts, JoinOptions::default());
    assert_eq!(chapter.parts[0].start, chapter.parts[0].end);
    assert_eq!(chapter.parts[1].end - chapter.parts[1].start, 9_000);
}

#[test]
fn mixed_rates_are_refused_and_leave_the_joiner_usable() {
    let mut joiner = Joiner::new(JoinOptions::default());
    joiner
        .push(part(sine(0, 9_000, 0, 220.0), Boundary::Sentence))
        .unwrap();
    let other = Pcm {
        sample_rate: 24_000,
        samples: vec![9_000; 100],
    };
    let error = joiner.push(part(other, Boundary::Sentence)).unwrap_err();
    assert_eq!(error.code(), "mixed_sample_rates");
    assert_eq!(joiner.finish().unwrap().parts.len(), 1);
    let error = Joiner::new(JoinOptions::default()).finish().unwrap_err();
    assert_eq!(error.code(), "no_parts");
}

proptest! {
    #[test]
    fn spans_are_ordered_inside_and_sum_up(
        parts in prop::collection::vec((0usize..500, 0usize..900, 0usize..500, 0u8..4), 1..8),
        marks in prop::collection::vec((0u64..60, 0u64..60), 0..6),
    ) {
        let parts = parts.into_iter().map(|(before, sound, after, boundary)| Part {
            pcm: sine(before, sound, after, 900.0),
            after: [Boundary::Sentence, Boundary::Paragraph, Boundary::Scene, Boundary::Chapter][usize::from(boundary)],
            marks_ms: marks.clone(),
        }).collect();
        let chapter = join(parts, JoinOptions::default());
        let mut last = 0;
        for span in &chapter.parts {
            prop_assert!(last <= span.start && span.start <= span.end);
            last = span.end;
            let mut at = span.start;
            for mark in &span.marks {
                prop_assert!(at <= mark.start && mark.start <= mark.end && mark.end <= span.end);
                at = mark.end;
            }
        }
        prop_assert!(last <= chapter.pcm.samples.len() as u64);
    }
}
