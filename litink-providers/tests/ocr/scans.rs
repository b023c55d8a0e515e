//! PDFs of pictures, as scanners make them.

use std::{io::Write as _, path::Path, process::Command};

/// How a page is painted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sort {
    /// In grey, a byte a pixel.
    Grey,
    /// As a JPEG.
    Jpeg,
    /// Lying on its side, on a page that is turned upright.
    Turned,
    /// In three strips, as some scanners write.
    Strips,
    /// In black where a mask of a bit a pixel says so.
    Stencil,
}

/// A page's picture.
pub(crate) struct Page {
    width: usize,
    height: usize,
    grey: Vec<u8>,
    jpeg: Vec<u8>,
}

impl Page {
    /// Those of a PDF, at so many pixels to an inch.
    pub(crate) fn of(file: &Path, dpi: u32) -> Vec<Self> {
        let folder = tempfile::tempdir().unwrap();
        let dpi = dpi.to_string();
        for format in ["-gray", "-jpeg"] {
            let mut command = Command::new("pdftoppm");
            command.args(["-r", &dpi, format]);
            assert!(
                command
                    .arg(file)
                    .arg(folder.path().join("p"))
                    .status()
                    .unwrap()
                    .success()
            );
        }
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|it| it.unwrap().path())
            .filter(|it| it.extension().unwrap() == "pgm")
            .collect();
        names.sort();
        let page = |name: std::path::PathBuf| {
            let pgm = std::fs::read(&name).unwrap();
            // "P5", the size, and the greatest value, a line each.
            let mut lines = pgm.splitn(4, |byte| *byte == b'\n');
            let size = String::from_utf8(lines.nth(1).unwrap().to_vec()).unwrap();
            let (width, height) = size.split_once(' ').unwrap();
            Self {
                width: width.parse().unwrap(),
                height: height.parse().unwrap(),
                grey: lines.nth(1).unwrap().to_vec(),
                jpeg: std::fs::read(name.with_extension("jpg")).unwrap(),
            }
        };
        names.into_iter().map(page).collect()
    }

    /// A blank one.
    pub(crate) fn of_size(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            grey: vec![u8::MAX; width * height],
            jpeg: Vec::new(),
        }
    }

    /// One that says that it is larger than it is.
    pub(crate) fn claiming(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            ..Self::of_size(10, 10)
        }
    }

    fn image(&self, from: usize, to: usize) -> (String, Vec<u8>) {
        let rows = format!("/Width {} /Height {} ", self.width, to - from);
        let own = from * self.width..(to * self.width).min(self.grey.len());
        let more = "/ColorSpace /DeviceGray /BitsPerComponent 8";
        (rows + more, self.grey[own].to_vec())
    }

    /// Dictionary, bytes and matrix of each of its pictures.
    fn pictures(&self, sort: Sort) -> Vec<(String, Vec<u8>, String)> {
        let size = format!("/Width {} /Height {} ", self.width, self.height);
        let (w, h) = (A4.0, A4.1);
        let upright = format!("{w} 0 0 {h} 0 0");
        match sort {
            Sort::Grey => {
                let (dictionary, bytes) = self.image(0, self.height);
                vec![(dictionary, bytes, upright)]
            }
            Sort::Jpeg | Sort::Turned => {
                let more = "/ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode";
                let matrix = match sort {
                    // A quarter to the left; the page turns it a quarter to the right.
                    Sort::Turned => format!("0 {w} -{h} 0 {h} 0"),
                    _ => upright,
                };
                vec![(size + more, self.jpeg.clone(), matrix)]
            }
            Sort::Strips => {
                let cut = |part: usize| self.height * part / 3;
                let strip = |part: usize| {
                    let (from, to) = (cut(part), cut(part + 1));
                    let (dictionary, bytes) = self.image(from, to);
                    let share = |rows: usize| h * rows as f64 / self.height as f64;
                    let matrix = format!("{w} 0 0 {} 0 {}", share(to - from), h - share(to));
                    (dictionary, bytes, matrix)
                };
                (0..3).map(strip).collect()
            }
            Sort::Stencil => {
                let mut bits = Vec::new();
                for row in self.grey.chunks(self.width) {
                    for eight in row.chunks(8) {
                        // A bit that is 0 is painted.
                        let bit = |(i, grey): (usize, &u8)| u8::from(*grey > 128) << (7 - i);
                        bits.push(eight.iter().enumerate().map(bit).sum());
                    }
                }
                let more = "/ImageMask true /BitsPerComponent 1";
                vec![(size + more, bits, upright)]
            }
        }
    }
}

/// In points.
const A4: (f64, f64) = (595.0, 842.0);

/// A file of these pages.
pub(crate) fn pdf(pages: &[Page], sort: Sort) -> Vec<u8> {
    let mut file = Writer::default();
    let first = 3;
    let mut at = first;
    let mut kids = Vec::new();
    let mut objects = Vec::new();
    for page in pages {
        let pictures = page.pictures(sort);
        let (number, content) = (at, at + 1);
        kids.push(format!("{number} 0 R"));
        let names = (0..pictures.len()).map(|i| format!("/I{i} {} 0 R", content + 1 + i));
        let names = names.collect::<Vec<_>>().join(" ");
        let (view, rotate) = match sort {
            Sort::Turned => ((A4.1, A4.0), 90),
            _ => (A4, 0),
        };
        objects.push((
            format!(
                "/Type /Page /Parent 2 0 R /MediaBox [0 0 {} {}] /Rotate {rotate} /Contents {content} 0 R \
                 /Resources << /XObject << {names} >> >>",
                view.0, view.1
            ),
            None,
        ));
        let paints = pictures.iter().enumerate();
        let paints = paints.map(|(i, (_, _, matrix))| format!("q {matrix} cm /I{i} Do Q\n"));
        objects.push((String::new(), Some(paints.collect::<String>().into_bytes())));
        at += 2 + pictures.len();
        for (dictionary, bytes, _) in pictures {
            let dictionary = format!("/Type /XObject /Subtype /Image {dictionary}");
            objects.push((dictionary, Some(bytes)));
        }
    }
    file.object("/Type /Catalog /Pages 2 0 R", None);
    let kids = kids.join(" ");
    file.object(
        &format!("/Type /Pages /Kids [{kids}] /Count {}", pages.len()),
        None,
    );
    for (dictionary, bytes) in objects {
        file.object(&dictionary, bytes);
    }
    file.finish()
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    offsets: Vec<usize>,
}

impl Writer {
    fn object(&mut self, dictionary: &str, stream: Option<Vec<u8>>) {
        if self.bytes.is_empty() {
            self.bytes.extend(b"%PDF-1.4\n");
        }
        self.offsets.push(self.bytes.len());
        let number = self.offsets.len();
        let length = stream.as_ref().map(|it| format!("/Length {}", it.len()));
        let length = length.unwrap_or_default();
        write!(self.bytes, "{number} 0 obj\n<< {dictionary} {length} >>\n").unwrap();
        if let Some(stream) = stream {
            self.bytes.extend(b"stream\n");
            self.bytes.extend(stream);
            self.bytes.extend(b"\nendstream\n");
        }
        self.bytes.extend(b"endobj\n");
    }

    fn finish(mut self) -> Vec<u8> {
        let start = self.bytes.len();
        let count = self.offsets.len() + 1;
        write!(self.bytes, "xref\n0 {count}\n0000000000 65535 f \n").unwrap();
        for offset in &self.offsets {
            writeln!(self.bytes, "{offset:010} 00000 n ").unwrap();
        }
        let trailer =
            format!("trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n");
        self.bytes.extend(trailer.as_bytes());
        self.bytes
    }
}
