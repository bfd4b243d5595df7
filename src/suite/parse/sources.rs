//! The files that a suite names, and their content.
//!
//! Owns which files are needed and what makes an image one. Must not read any: `command` does, and passes the
//! bytes down. Invariant: a file is needed until an answer, good or bad, is there, so that repeated reading
//! ends; what is handed over is needed again only by another pass.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::suite::model::prompt::Image;
use crate::suite::value::limits;

/// A file, or several by a pattern, that a suite names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileRef {
    /// Path as the suite spells it, relative to the suite's folder.
    pub path: String,
    /// Use of the file.
    pub kind: FileKind,
}

/// The use of a file that a suite names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// Prompts: one file, a folder, or those that a pattern matches.
    Prompts,
    /// System text, one file.
    System,
    /// An image, one file.
    Image,
    /// A JSON schema, one file.
    Schema,
    /// A trace of requests, one file.
    Trace,
}

impl FileKind {
    /// The maximum size of one file in bytes.
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Prompts | Self::Trace => limits::PROMPT_FILE_BYTES,
            Self::System => limits::PROMPT_BYTES,
            Self::Image => limits::IMAGE_BYTES,
            Self::Schema => limits::ASSERT_SCHEMA_BYTES,
        }
    }
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedFile {
    /// Name in messages; its stem is the id of a text file's prompt.
    pub name: String,
    /// Content of the file.
    pub bytes: Vec<u8>,
}

/// The files that were loaded for each reference, in a stable order, or the reason why there are none.
#[derive(Debug, Default)]
pub struct LoadedFiles {
    files: LoadedByRef,
    /// Files of prompts, which may be large: they are handed over to their reader, and are needed again afterwards.
    prompts: RefCell<LoadedByRef>,
}

type LoadedByRef = BTreeMap<FileRef, Result<Vec<LoadedFile>, String>>;

impl LoadedFiles {
    /// Records the answer to one reference.
    pub fn add(&mut self, file: FileRef, answer: Result<Vec<LoadedFile>, String>) {
        let files = match file.kind {
            FileKind::Prompts => self.prompts.get_mut(),
            _ => &mut self.files,
        };
        files.insert(file, answer);
    }
}

/// The loaded files, and the references found missing while a suite is read.
pub(super) struct FileResolver<'a> {
    found: &'a LoadedFiles,
    missing: RefCell<BTreeSet<FileRef>>,
}

impl<'a> FileResolver<'a> {
    pub(super) fn new(found: &'a LoadedFiles) -> Self {
        Self {
            found,
            missing: RefCell::default(),
        }
    }

    /// Returns the answer to a reference; `None` records that there is none yet.
    pub(super) fn look_up(
        &self,
        path: &str,
        kind: FileKind,
    ) -> Option<Result<&'a [LoadedFile], &'a str>> {
        let path = path.to_owned();
        let file = FileRef { path, kind };
        let Some(answer) = self.found.files.get(&file) else {
            self.missing.borrow_mut().insert(file);
            return None;
        };
        Some(answer.as_deref().map_err(String::as_str))
    }

    /// Hands over the files of prompts of a reference, or copies of them if they are used again; `None` records that there is no
    /// answer yet.
    pub(super) fn take_prompts(
        &self,
        path: &str,
        is_used_again: bool,
    ) -> Option<Result<Vec<LoadedFile>, String>> {
        let path = path.to_owned();
        let kind = FileKind::Prompts;
        let file = FileRef { path, kind };
        let mut found = self.found.prompts.borrow_mut();
        let answer = if is_used_again {
            found.get(&file).cloned()
        } else {
            found.remove(&file)
        };
        if answer.is_none() {
            self.missing.borrow_mut().insert(file);
        }
        answer
    }

    /// Every reference that was looked up and has no answer yet.
    pub(super) fn into_missing(self) -> Vec<FileRef> {
        self.missing.into_inner().into_iter().collect()
    }

    /// The image of this path or URL, or what is wrong with it; `None` if its file is not loaded yet.
    pub(super) fn image(&self, text: &str) -> Option<Result<Image, String>> {
        if text.starts_with("https://") || text.starts_with("http://") {
            if text.len() > limits::IMAGE_URL_BYTES {
                let max = limits::IMAGE_URL_BYTES;
                return Some(Err(format!("an image's URL has more than {max} bytes")));
            }
            return Some(Ok(Image::Url(text.to_owned())));
        }
        if text.starts_with("data:") {
            let message = "an image is named by a file's path or a URL, not by its bytes";
            return Some(Err(message.to_owned()));
        }
        let file = match self.look_up(text, FileKind::Image)? {
            Ok([file]) => file,
            Ok(_) => return Some(Err("an image must be one file".to_owned())),
            Err(message) => return Some(Err(message.to_owned())),
        };
        Some(match media_type(&file.bytes) {
            Some(media_type) => Ok(Image::Bytes {
                media_type: media_type.to_owned(),
                base64: STANDARD.encode(&file.bytes),
            }),
            None => Err(format!(
                "`{}` is not a PNG, JPEG, WebP or GIF image",
                file.name
            )),
        })
    }
}

/// The type of an image by its first bytes; names of files are often wrong.
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => None,
    }
}

/// The size of an image as it is stored, in bytes.
pub(super) fn image_bytes(image: &Image) -> usize {
    match image {
        Image::Url(url) => url.len(),
        Image::Bytes { base64, .. } => base64.len(),
    }
}
