//! The cover image.

use super::package::{Item, Package};
use crate::{
    Result,
    ingest::{
        Cover, Limits,
        archive::{Archive, Fault},
        book::Report,
        detect,
        markup::{Markup, Piece},
        path::{self, Link},
    },
};

/// Reads the cover, wherever a book may name it: EPUB 3's property, EPUB 2's meta element, the
/// guide's or first page's only image, a telling id.
pub(super) fn read(
    archive: &mut Archive<'_>,
    package: &Package,
    limits: &Limits,
    report: &mut Report,
) -> Result<Option<Cover>> {
    let Some(path) = locate(archive, package, limits) else {
        return Ok(None);
    };
    let bytes = match archive.read(&path, limits.max_cover_bytes) {
        Ok(bytes) => bytes,
        Err(Fault::Fatal(error)) => return Err(error),
        Err(Fault::TooLarge) => {
            report.warn(
                "cover_too_large",
                format!("{path} (the cover) was left out"),
            );
            return Ok(None);
        }
        Err(Fault::Missing | Fault::Damaged) => {
            report.warn(
                "missing_resource",
                format!("{path} (the cover) is missing or damaged"),
            );
            return Ok(None);
        }
    };
    Ok(detect::image_media_type(&bytes).map(|media_type| Cover {
        media_type: media_type.to_owned(),
        bytes,
    }))
}

fn locate(archive: &mut Archive<'_>, package: &Package, limits: &Limits) -> Option<String> {
    let images = || package.items.iter().filter(|item| item.is_image());
    let by_property = images().find(|item| item.has_property("cover-image"));
    let by_meta = || {
        let cover = package.cover.as_deref()?;
        let named = |item: &&Item| item.id == cover || item.path.ends_with(cover);
        package.items.iter().find(named)
    };
    let by_id = || {
        let telling =
            |item: &&Item| ["cover", "cover-image", "coverimage"].contains(&item.id.as_str());
        images().find(telling)
    };
    let item = by_property.or_else(by_meta).or_else(by_id);
    match item {
        Some(item) if item.is_image() => Some(item.path.clone()),
        Some(page) => image_of_page(archive, &page.path, limits),
        None => {
            let (_, path, _) = package.guide.iter().find(|(kind, ..)| kind == "cover")?;
            image_of_page(archive, path, limits)
        }
    }
}

/// The first image of a cover page.
fn image_of_page(archive: &mut Archive<'_>, page: &str, limits: &Limits) -> Option<String> {
    const MAX_PAGE_BYTES: u64 = 256 * 1024;
    let bytes = archive
        .read(page, MAX_PAGE_BYTES.min(limits.document_cap()))
        .ok()?;
    if detect::image_media_type(&bytes).is_some_and(|media_type| media_type != "image/svg+xml") {
        return Some(page.to_owned());
    }
    let text = String::from_utf8_lossy(&bytes);
    let href = Markup::new(&text).find_map(|piece| match piece {
        Piece::Open(tag) if tag.name == "img" => tag.qualified("src"),
        Piece::Open(tag) if tag.name == "image" => tag.attribute("href"),
        _ => None,
    })?;
    match path::resolve(page, &href) {
        Link::Inside { path, .. } => Some(path),
        Link::Remote | Link::Unsafe => None,
    }
}
