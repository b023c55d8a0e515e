//! The list of points names tests that are there.

use std::{collections::HashSet, fs, path::Path};

/// The functions of all Rust files below a folder.
fn functions(folder: &Path, found: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|line| {
                let after = line.split_once("fn ")?.1;
                Some(after.split_once('(')?.0.to_owned())
            });
            found.extend(names);
        }
    }
}

#[test]
fn each_of_the_sixty_points_names_its_tests() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = HashSet::new();
    for folder in ["litink-core", "litink-providers", "litink-server", "tests"] {
        functions(&workspace.join(folder), &mut found);
    }
    let mut points = 0;
    for line in include_str!("POINTS.md").lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let Some(Ok(number)) = cells.get(1).map(|it| it.parse::<usize>()) else {
            continue;
        };
        points += 1;
        assert_eq!(number, points);
        let names: Vec<_> = cells[3].split('`').skip(1).step_by(2).collect();
        assert!(
            !names.is_empty() || cells[3].starts_with("not done: "),
            "{line}"
        );
        for name in names {
            assert!(
                found.contains(name),
                "point {number}: there is no test `{name}`"
            );
        }
    }
    assert_eq!(points, 60);
}
