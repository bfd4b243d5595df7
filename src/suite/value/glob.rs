//! Globs that users write: in suites, in project files and on the command line.
//!
//! Owns what a glob may hold, and its compilation. Must not know what it is matched against.
//! Invariant: no text makes compilation panic, recurse deeply or take long; it is a glob or an error.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::limits;

/// The rules of matching a glob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GlobStyle {
    /// Ids and tags: `*` matches any characters, `/` included.
    Ids,
    /// The same, in upper or lower case.
    IdsInAnyCase,
    /// Paths: `*` stays within a folder, `**` does not.
    Paths,
}

/// A compiled glob.
#[derive(Debug)]
pub struct Glob(GlobSet);

impl Glob {
    /// Compiles a glob.
    ///
    /// # Errors
    /// If it is no glob or exceeds a limit: what is wrong with it, in words.
    pub fn new(text: &str, style: GlobStyle) -> Result<Self, String> {
        check_length(text)?;
        // Each group may hold another: their number bounds the nesting, which the compiler recurses into.
        let groups = text.matches('{').count();
        if groups > limits::GLOB_GROUPS {
            let max = limits::GLOB_GROUPS;
            return Err(format!(
                "it has {groups} groups `{{`, at most {max} are read"
            ));
        }
        let alternatives = text.matches(',').count();
        if groups > 0 && alternatives > limits::GLOB_ALTERNATIVES {
            let max = limits::GLOB_ALTERNATIVES;
            return Err(format!("it has more than {max} alternatives in its groups"));
        }
        let mut builder = GlobBuilder::new(text);
        builder
            .literal_separator(style == GlobStyle::Paths)
            .case_insensitive(style == GlobStyle::IdsInAnyCase);
        if style != GlobStyle::Paths {
            builder.backslash_escape(true);
        }
        // A set of one: it returns the errors of the regex compiler, where a single matcher panics.
        let glob = builder.build().map_err(|error| error.kind().to_string())?;
        let set = GlobSetBuilder::new().add(glob).build();
        set.map(Self).map_err(|error| error.kind().to_string())
    }

    /// Reports if the glob matches the whole of `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// Checks the length of a name or glob.
///
/// # Errors
/// If it is empty or too long, in words.
pub(in crate::suite) fn check_length(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > limits::PATTERN_BYTES {
        let max = limits::PATTERN_BYTES;
        return Err(format!("it must have 1 to {max} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STYLES: [GlobStyle; 3] = [GlobStyle::Ids, GlobStyle::IdsInAnyCase, GlobStyle::Paths];

    #[test]
    fn deep_and_wide_globs_are_errors() {
        // The regex compiler refuses deep nesting, and the single matcher of the library panics then.
        let deep = format!("{}a{}", "{".repeat(250), "}".repeat(250));
        let wide = format!("{{{}a}}", "a,".repeat(200));
        let long = "*".repeat(limits::PATTERN_BYTES + 1);
        for style in STYLES {
            let error = |text: &str| Glob::new(text, style).unwrap_err();
            assert_eq!(error(&deep), "it has 250 groups `{`, at most 16 are read");
            assert_eq!(
                error(&wide),
                "it has more than 100 alternatives in its groups"
            );
            assert_eq!(error(&long), "it must have 1 to 512 bytes");
            assert!(error("[").starts_with("unclosed character class"));
        }
    }

    #[test]
    fn styles_differ_in_slashes_and_case() {
        // A model's id has a `/` that people do not think of; a path's `/` is a border.
        let matches = |text, style, of| Glob::new(text, style).unwrap().is_match(of);
        assert!(matches("*mini", GlobStyle::Ids, "openai/gpt-5-mini"));
        assert!(!matches("*MINI", GlobStyle::Ids, "openai/gpt-5-mini"));
        assert!(matches(
            "*MINI",
            GlobStyle::IdsInAnyCase,
            "openai/gpt-5-mini"
        ));
        assert!(!matches("*.txt", GlobStyle::Paths, "a/b.txt"));
        assert!(matches("**/*.txt", GlobStyle::Paths, "a/b.txt"));
    }

    proptest! {
        // Any text, and above all one made of what means something, is a glob or an error, and a glob
        // matches or not.
        #[test]
        fn no_glob_panics(
            text in "(\\{|\\}|,|\\[|\\]|!|\\^|-|\\*|\\*\\*|\\?|/|\\\\|\\.|a|Z|é|\\PC){0,120}",
            deep in 0_usize..300,
            of in "(a|/|\\.|\\PC){0,40}",
        ) {
            let nested = format!("{}{text}{}", "{a,".repeat(deep), "}".repeat(deep));
            for style in STYLES {
                for text in [&text, &nested] {
                    if let Ok(glob) = Glob::new(text, style) {
                        glob.is_match(&of);
                    }
                }
            }
        }

        // Within the limits, nesting and alternatives compile and mean what they say.
        #[test]
        fn globs_within_the_limits_compile(deep in 0_usize..=limits::GLOB_GROUPS, name in "[a-z]{1,20}") {
            let text = format!("{}{name}{}", "{x,".repeat(deep), "}".repeat(deep));
            for style in STYLES {
                let glob = Glob::new(&text, style).unwrap();
                prop_assert!(glob.is_match(&name));
                prop_assert!(!glob.is_match("0"));
            }
        }
    }
}
