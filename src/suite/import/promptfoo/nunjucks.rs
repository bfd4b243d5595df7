//! Templates of promptfoo, which are those of Nunjucks.
//!
//! Owns how a template is evaluated: Nunjucks has the statements and most filters of Jinja. Must not know where
//! templates stand. Invariants: no file, variable of the environment or code is reached, and evaluation is bounded.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value,
};

use crate::suite::value::limits;
use crate::suite::value::text::quoted;

/// Variables and their values.
pub(super) type Vars = BTreeMap<String, serde_json::Value>;

/// Steps of one evaluation.
const FUEL: u64 = 200_000;

/// Returns true if the text is more than itself.
pub(super) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|sign| text.contains(sign))
}

/// The text with its places filled and its statements evaluated; the error says what cannot be.
pub(super) fn render(text: &str, vars: &Vars) -> Result<String, String> {
    if !is_template(text) {
        return Ok(text.to_owned());
    }
    let environment = environment();
    let template = environment.template_from_str(text);
    let template = template.map_err(|error| in_words(&error))?;
    let rendered = template.render(Serde(vars)).map_err(|error| {
        let missing = template.undeclared_variables(true);
        let missing = missing.iter().filter(|name| {
            let first = name.split('.').next().unwrap_or(name);
            !vars.contains_key(first)
        });
        match missing.min() {
            Some(name) if error.kind() == ErrorKind::UndefinedError => {
                format!("it has no variable {}", quoted(name))
            }
            _ => in_words(&error),
        }
    })?;
    if rendered.len() > limits::PROMPT_BYTES {
        let max = limits::PROMPT_BYTES;
        return Err(format!("it has more than {max} bytes"));
    }
    Ok(rendered)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // An absent variable may be tested, and not printed: what is sent would have a hole.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("these are the usual delimiters"));
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(print);
    environment.add_filter("dump", |value: Value| {
        serde_json::to_string(&value)
            .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
    });
    environment
}

/// Prints a value as JavaScript does.
fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None => Ok(()),
        ValueKind::Seq => {
            for (index, item) in value.try_iter()?.enumerate() {
                if index > 0 {
                    out.write_char(',').map_err(Error::from)?;
                }
                print(out, state, &item)?;
            }
            Ok(())
        }
        ValueKind::Map => Err(Error::new(
            ErrorKind::InvalidOperation,
            "a table is printed: name one of its values, or use the filter `dump`",
        )),
        ValueKind::Bool => {
            let text = if value.is_true() { "true" } else { "false" };
            out.write_str(text).map_err(Error::from)
        }
        ValueKind::Number => {
            let text = value.to_string();
            let text = text.strip_suffix(".0").unwrap_or(&text);
            out.write_str(text).map_err(Error::from)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

fn in_words(error: &Error) -> String {
    let reason = match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    };
    format!("its template is not evaluated: {reason}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn templates_print_what_nunjucks_prints() {
        // What the other tool sends must be sent; checked against Nunjucks 3.2.4.
        let vars: Vars = [
            ("name", json!("<b>")),
            ("n", json!(3)),
            ("half", json!(0.5)),
            ("whole", json!(2.0)),
            ("list", json!(["a", "b"])),
            ("user", json!({"name": "Ann"})),
            ("off", json!(false)),
            ("nothing", json!(null)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for (template, expected) in [
            ("{{ name }}", Ok("<b>")),
            ("{{n}} {{half}} {{whole}}", Ok("3 0.5 2")),
            ("{{ list }}", Ok("a,b")),
            ("{{ list | join(' and ') | upper }}", Ok("A AND B")),
            ("{{ user.name }}{{ nothing }}", Ok("Ann")),
            ("{% if n > 2 %}many{% else %}few{% endif %}", Ok("many")),
            ("{% if absent %}x{% endif %}y", Ok("y")),
            (
                "{% for x in list %}[{{ loop.index }}{{ x }}]{% endfor %}",
                Ok("[1a][2b]"),
            ),
            ("{{ absent | default('none') }}", Ok("none")),
            ("{{ user | dump }}", Ok("{\"name\":\"Ann\"}")),
            ("{% raw %}{{ x }}{% endraw %}{# gone #}\n", Ok("{{ x }}\n")),
            ("{{ off }}", Ok("false")),
            ("{{ absent }}", Err("it has no variable `absent`")),
            ("{{ env.KEY }}", Err("it has no variable `env.KEY`")),
            ("{{ name | mine }}", Err("filter mine is unknown")),
            ("{{ user }}", Err("a table is printed")),
            (
                "{% for x in range(9000) %}{% for y in range(9000) %}.{% endfor %}{% endfor %}",
                Err(""),
            ),
            ("{% include 'x' %}", Err("")),
            ("{{ name", Err("")),
        ] {
            let rendered = render(template, &vars);
            match expected {
                Ok(text) => assert_eq!(rendered.as_deref(), Ok(text), "{template}"),
                Err(part) => {
                    let reason = rendered.expect_err(template);
                    assert!(reason.contains(part), "{template}: {reason}");
                }
            }
        }
    }
}
