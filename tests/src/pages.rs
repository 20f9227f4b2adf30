//! The pages that people read, as far as tests look into them: code between fences, and blocks that a test writes.

use std::path::{Path, PathBuf};

use crate::programs::workspace;

/// Set where tests are to replace what a page shows instead of comparing it.
const UPDATE: &str = "UPDATE_DOCS";

/// A piece of code on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// What stands behind the three ticks, such as `sh` or `rust,no_run`.
    pub language: String,
    /// The lines between.
    pub code: String,
}

/// The pages of Markdown directly in this folder of the workspace, in order.
///
/// # Panics
///
/// When it cannot be read.
pub fn in_folder(folder: &str) -> Vec<PathBuf> {
    let folder = workspace().join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = entries.map(|entry| entry.expect("a folder can be listed").path());
    let mut pages: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|extension| extension == "md")).collect();
    pages.sort();
    pages
}

/// The text of a page.
///
/// # Panics
///
/// When it cannot be read.
pub fn read(page: &Path) -> String {
    std::fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// The code on a page, in order.
#[must_use]
pub fn fences(text: &str) -> Vec<Fence> {
    let mut fences = Vec::new();
    let mut open: Option<Fence> = None;
    for line in text.lines() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Fence { language: language.trim().to_owned(), code: String::new() });
            }
            (Some(_), Some(_)) => fences.extend(open.take()),
            (Some(fence), None) => {
                fence.code.push_str(line);
                fence.code.push('\n');
            }
            (None, None) => {}
        }
    }
    fences
}

/// Compares what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` with what should, or replaces it where
/// `UPDATE_DOCS` is set.
///
/// # Panics
///
/// When they differ, or the marks are missing.
pub fn compare_block(page: &Path, name: &str, wanted: &str) {
    let text = read(page);
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let (before, rest) =
        text.split_once(&begin).unwrap_or_else(|| panic!("no {begin:?} in {}", page.display()));
    let (shown, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end:?} in {}", page.display()));
    if shown == wanted {
        return;
    }
    assert!(
        std::env::var_os(UPDATE).is_some(),
        "{}, {name}: the page shows\n{shown}\nand it should be\n{wanted}\nRun the same test with {UPDATE}=1 to replace it",
        page.display()
    );
    let replaced = format!("{before}{begin}{wanted}{end}{after}");
    std::fs::write(page, replaced).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_what_stands_between_fences() {
        let text = "a\n```sh\nls\n```\nb\n```rust,no_run\nfn main() {}\n\n```\n";
        let [ls, main] = fences(text).try_into().expect("two pieces");
        assert_eq!((ls.language.as_str(), ls.code.as_str()), ("sh", "ls\n"));
        assert_eq!((main.language.as_str(), main.code.as_str()), ("rust,no_run", "fn main() {}\n\n"));
    }
}
