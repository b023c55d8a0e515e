//! Colours that go together.

use super::Dice;

/// The colours of a card.
#[derive(Debug)]
pub(super) struct Palette {
    /// Behind the text.
    pub(super) paper: &'static str,
    /// The text.
    pub(super) ink: &'static str,
    /// The sky from its top to its horizon.
    pub(super) sky: [&'static str; 2],
    /// From the farthest to the nearest.
    pub(super) tones: [&'static str; 4],
    /// Sun, moon and stars.
    pub(super) light: &'static str,
}

const PALETTES: &[Palette] = &[
    // dusk
    Palette {
        paper: "#f6ecdc",
        ink: "#2b2340",
        sky: ["#3a3168", "#d7737c"],
        tones: ["#c9627a", "#8f4672", "#5a3163", "#2c2149"],
        light: "#fde3b0",
    },
    // sea
    Palette {
        paper: "#f2f3ea",
        ink: "#12343b",
        sky: ["#2c7a86", "#c9e0cf"],
        tones: ["#7fbab2", "#3f8e92", "#1f6370", "#123d47"],
        light: "#f8edc9",
    },
    // forest
    Palette {
        paper: "#f5f0e1",
        ink: "#22301f",
        sky: ["#b9cfa4", "#f3e6b8"],
        tones: ["#9db36f", "#668a4c", "#3d643b", "#21402b"],
        light: "#fffbe6",
    },
    // ember
    Palette {
        paper: "#f9ede2",
        ink: "#3a1712",
        sky: ["#a8321f", "#f4b35e"],
        tones: ["#d9652f", "#a33a22", "#6d211c", "#3a1214"],
        light: "#ffeec4",
    },
    // night
    Palette {
        paper: "#eeece6",
        ink: "#151a33",
        sky: ["#0e1230", "#43569c"],
        tones: ["#4c5fa6", "#33417f", "#20295a", "#121735"],
        light: "#f6efd2",
    },
    // rose
    Palette {
        paper: "#fbf1ee",
        ink: "#47202e",
        sky: ["#e9a7a8", "#fbe5d6"],
        tones: ["#dd8f97", "#b65c75", "#80385a", "#4b1f3d"],
        light: "#fffaf0",
    },
    // slate
    Palette {
        paper: "#f3f1eb",
        ink: "#26303a",
        sky: ["#7d949f", "#e3e2d6"],
        tones: ["#91a5ae", "#617886", "#3e5363", "#233140"],
        light: "#f7d88a",
    },
    // wheat
    Palette {
        paper: "#faf3df",
        ink: "#3b2c12",
        sky: ["#e3a544", "#fae6ae"],
        tones: ["#d89a3a", "#a76d25", "#71491b", "#3e2911"],
        light: "#fffaea",
    },
];

impl Palette {
    pub(super) fn choose(dice: &mut Dice) -> &'static Self {
        &PALETTES[dice.below(PALETTES.len())]
    }
}
