//! Files of environment variables, `.env`.
//!
//! Owns their syntax: that which Node's and Python's readers share. Must not know what variables are for.
//! Invariants: a line that sets nothing hides no other line, and a value is taken as it stands: `$` is no reference.

/// Quotation marks that a value may stand in.
const QUOTES: [char; 3] = ['\'', '"', '`'];

/// The names and values that a file sets, in its order. Accepted are `NAME=value` with or without `export`, values
/// in `'`, `"` or a backtick (over several lines, too), and comments behind ` #`. In `"`, a backslash escapes `n`,
/// `r`, `t`, `"` and itself. Other lines set nothing.
pub(super) fn parse_dot_env(text: &str) -> Vec<(&str, String)> {
    let mut variables = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let end_of_line = |from: usize| {
        let length = text[from..].find('\n');
        length.map_or(text.len(), |length| from + length)
    };
    let mut at = 0;
    while at < text.len() {
        let end = end_of_line(at);
        let line = text[at..end].trim_start();
        at = end + 1;
        let assignment = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = assignment.split_once('=') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim_start());
        if name.is_empty() || name.contains(['#', ' ', '\t', '"', '\'']) {
            continue;
        }
        // A value in quotation marks may go on over lines.
        let begin = end - value.len();
        if value.starts_with(QUOTES) {
            // One that is not closed is a mistake: half of a key would be sent for a 401.
            if let Some((quoted, length)) = quoted(&text[begin..]) {
                at = end_of_line(begin + length) + 1;
                variables.push((name, quoted));
            }
            continue;
        }
        let is_comment = |(at, _): &(usize, &str)| *at == 0 || value[..*at].ends_with([' ', '\t']);
        let comment = value.match_indices('#').find(is_comment);
        let value = comment.map_or(value, |(at, _)| &value[..at]);
        variables.push((name, value.trim_end().to_owned()));
    }
    variables
}

/// The value in quotation marks at the beginning of `text`, and the bytes that it takes up with them; `None` if
/// there is none, or it is not closed.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mark = text.chars().next().filter(|mark| QUOTES.contains(mark))?;
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == mark => return Some((value, at + 1)),
            '\\' if mark == '"' => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                escaped @ ('"' | '\\') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(text: &str, name: &str) -> Option<String> {
        let mut all = parse_dot_env(text).into_iter().rev();
        all.find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    #[test]
    fn a_line_that_sets_nothing_hides_no_other() {
        for line in [
            "GREETING=hello world",
            "NAME=O'Brien",
            "PASSWORD=a!b\"c",
            "JSON={\"a\": 1}",
            "PATHX=C:\\Users\\x",
            "FLAG",
            "my-dash=1",
            "= nothing",
            "# comment=1",
            "OPEN=\"not closed",
            "two words=1",
            "",
        ] {
            for text in [
                format!("{line}\nMYKEY=abc$123\n"),
                format!("\u{feff}MYKEY=abc$123\r\n{line}\r\n"),
            ] {
                assert_eq!(get(&text, "MYKEY").as_deref(), Some("abc$123"), "{text:?}");
            }
        }
    }

    #[test]
    fn values_are_read_as_nodes_and_pythons_readers_read_them() {
        for (line, value) in [
            ("A=b", "b"),
            ("export A = b ", "b"),
            ("A=hello world # note", "hello world"),
            ("A=b#c", "b#c"),
            ("A='b # c' # note", "b # c"),
            ("A=\"b\\n\\\"c\\d\"", "b\n\"c\\d"),
            ("A='b\\n'", "b\\n"),
            ("A=`it's`", "it's"),
            ("A=\"-----BEGIN\nX=1\nEND\"\nB=2", "-----BEGIN\nX=1\nEND"),
            ("A=", ""),
            ("A= # note", ""),
            ("A=O'Brien", "O'Brien"),
            ("A=1\nA=2", "2"),
            ("A=1\nA='open", "1"),
        ] {
            assert_eq!(get(line, "A").as_deref(), Some(value), "{line:?}");
            assert_eq!(get(line, "X"), None, "{line:?}");
        }
        assert_eq!(get("A='x\ny' \nB=2", "B").as_deref(), Some("2"));
    }

    proptest! {
        // Any text is read, and without a quotation mark in it no later line is hidden.
        #[test]
        fn nothing_panics_or_hides_a_later_line(text in "[A-C=#$ {}\\\\\\r\\nß-]{0,40}", value in "[a-z0-9$]{1,8}") {
            let text = format!("{text}\nMYKEY={value}");
            prop_assert_eq!(get(&text, "MYKEY"), Some(value));
        }
    }
}
