//! Properties of reading: nothing panics, nothing wrong gets through, one fault hides no other.

use proptest::prelude::*;

use super::*;

#[test]
fn limits_hold() {
    // What is too large ends in a problem before it costs memory or time.
    let code_of = |text: &str| parse_suite(text).unwrap_err().iter().next().unwrap().code;
    let huge = " ".repeat(limits::SUITE_BYTES + 1);
    assert_eq!(code_of(&huge), Code::TooLarge);
    let long_prompt = format!(
        "name = \"x\"\nmodels = [\"m\"]\n[[prompts]]\nid = \"a\"\nmessages = [\n\
         {{ role = \"assistant\", content = \"{0}\" }},\n{{ role = \"user\", content = \"{0}\" }}]",
        "a".repeat(limits::PROMPT_BYTES / 2 + 1)
    );
    assert_eq!(code_of(&long_prompt), Code::TooLarge);
    let models: Vec<String> = (0..=limits::VARIANTS)
        .map(|n| format!("\"m/{n}\""))
        .collect();
    let many_models = FULL.replace("\"m/plain\",\n", &format!("{},\n", models.join(",")));
    assert_eq!(code_of(&many_models), Code::TooLarge);
    let unknown: Vec<String> = (0..500).map(|n| format!("key{n} = 1\n")).collect();
    let unknown = unknown.concat();
    let problems = parse_suite(&format!("{unknown}{FULL}")).unwrap_err();
    assert_eq!(
        (problems.count(), problems.iter().count()),
        (500, limits::PROBLEMS)
    );
    assert!(render(&problems, "x.toml", &unknown, false).contains("... and 400 more"));
}

#[test]
fn hostile_nesting_does_not_overflow() {
    // Our own recursion must end long before the stack does, whatever the parser lets through.
    let dotted = ["a"; 70].join(".");
    let deep = format!("{}1{}", format!("{{{dotted} = ").repeat(70), "}".repeat(70));
    let lists = format!("{}{}", "[".repeat(75), "]".repeat(75));
    for text in [
        format!("[parameters]\nextra = {{ deep = {deep} }}"),
        format!("[parameters]\nprovider_options = {{ deep = {lists} }}"),
        format!("{}1", "a = [".repeat(50_000)),
        "[[prompts]]\n".repeat(50_000),
        format!("{} = 1", vec!["a"; 50_000].join(".")),
    ] {
        assert!(parse_suite(&text).is_err());
    }
}

#[test]
fn a_large_broken_file_reports_its_first_fault() {
    // Recovery keeps every error in memory: it must not be used on what may be all errors.
    let text = "x = \"\n".repeat(limits::RECOVERED_BYTES / 6 + 1);
    assert_eq!(parse_suite(&text).unwrap_err().count(), 1);
}

#[test]
fn places_are_counted_as_people_count() {
    // An editor jumps to line and column: both from 1, columns in characters, whatever the width.
    let text = "name = \"x\"\r\n\"日本\" = 1\n";
    let problems = parse_suite(text).unwrap_err();
    let places: Vec<_> = problems
        .iter()
        .filter(|problem| problem.code == Code::UnknownKey)
        .map(|problem| problem.place(text))
        .collect();
    assert_eq!(places, [Place { line: 2, column: 1 }]);
    let text = "name = \"x\"\ndescription = { \"日本\" = 1 }\n";
    let problems = parse_suite(text).unwrap_err();
    assert!(problems.iter().any(|p| p.place(text)
        == Place {
            line: 2,
            column: 15
        }));
}

#[test]
fn long_lines_are_cut_around_the_mark() {
    // A prompt may be one line of megabytes; its problem must fit a screen and name the true column.
    let text = format!("x = {{ text = \"{}\", y = 1 }}", "a".repeat(5_000));
    let problems = parse_suite(&text).unwrap_err();
    let rendered = render(&problems, "x.toml", &text, false);
    assert!(
        rendered.lines().all(|line| line.chars().count() < 400),
        "{rendered}"
    );
    let text = format!("models = [\"{}\", 5]", "a".repeat(5_000));
    let rendered = render(&parse_suite(&text).unwrap_err(), "x.toml", &text, false);
    assert!(rendered.contains("x.toml:1:5015"), "{rendered}");
}

/// Independent faults of [`FULL`]: a piece of its text, what it becomes, and the problem's code.
const FAULTS: [(&str, &str, Code); 17] = [
    ("repetitions = 3", "repetitions = 0", Code::OutOfRange),
    ("warmup = 0", "warmup = \"0\"", Code::WrongType),
    ("seed = 7", "sead = 7", Code::UnknownKey),
    (
        "reference = \"slow\"",
        "reference = \"fast\"",
        Code::BadValue,
    ),
    ("stream = false", "stream = no", Code::Syntax),
    ("name = \"full.suite-1\"", "name = \"a/b\"", Code::BadValue),
    ("gap = \"250ms\"", "gap = \"250\"", Code::BadValue),
    ("total = \"2m\"", "total = \"2h\"", Code::OutOfRange),
    ("top_p = 0.5", "top_p = 2", Code::OutOfRange),
    ("extra = { ", "extra = { n_ = 2000-01-01, ", Code::WrongType),
    ("weight = 2.5", "weight = -1", Code::OutOfRange),
    ("alpha = 0.1", "alpha = 0", Code::OutOfRange),
    ("margin = \"30%\"", "margin = \"2%\"", Code::Conflict),
    ("\"1.5s\"\nerror", "1.5\nerror", Code::WrongType),
    ("id = \"two\"", "id = \"one\"", Code::Duplicate),
    ("\"greeting\"", "\"two words\"", Code::BadValue),
    ("role = \"assistant\"", "role = \"robot\"", Code::BadValue),
];

proptest! {
    // One wrong value hides no other, and none is reported twice: any set of faults gives exactly as many
    // problems, each of its own code.
    #[test]
    fn every_fault_is_reported_once(chosen in prop::collection::btree_set(0..FAULTS.len(), 1..FAULTS.len())) {
        let mut text = FULL.to_owned();
        let mut expected = Vec::new();
        for &index in &chosen {
            let (piece, fault, code) = FAULTS[index];
            let changed = text.replacen(piece, fault, 1);
            prop_assert_ne!(&changed, &text);
            text = changed;
            expected.push(code);
        }
        let problems = parse_suite(&text).unwrap_err();
        let mut rendered: Vec<_> = problems.iter().map(|problem| problem.code).collect();
        expected.sort();
        rendered.sort();
        prop_assert_eq!(rendered, expected, "{}", render(&problems, "x", &text, false));
    }

    // Any part cut out of or put into a valid suite: it is valid, or its problems are reported, in places that
    // can be shown.
    #[test]
    fn changed_suites_never_panic(
        at in 0..FULL.len(), removed in 0_usize..80, put in "[\\PC\n\r\t\\[\\]{}=\"'.,#-]{0,6}",
        colour: bool,
    ) {
        let end = (at + removed).min(FULL.len());
        let text = format!("{}{put}{}", &FULL[..at], &FULL[end..]);
        match parse_suite(&text) {
            Ok(suite) => prop_assert!(is_valid(&suite)),
            Err(problems) => {
                let rendered = render(&problems, "x.toml", &text, colour);
                prop_assert!(rendered.contains("x.toml"));
                for problem in &problems {
                    prop_assert!(problem.span.end <= text.len());
                    prop_assert!(problem.place(&text).line <= text.lines().count() + 1);
                }
            }
        }
        let _ = parse_project(&text);
    }

    // Arbitrary text that looks a little like TOML never panics.
    #[test]
    fn arbitrary_text_never_panics(text in "(\\[{0,2}|\\]{0,2}|[a-c.]{1,3}|=|\\{|\\}|\"{1,3}|'{1,3}|#|,|\n|-?[0-9]{1,3}|\\PC|prompts|models|parameters|endpoints| ){0,40}") {
        for problems in [parse_suite(&text).err(), parse_project(&text).err()].iter().flatten() {
            render(problems, "x.toml", &text, true);
        }
    }

    // A suite that is written as TOML from its parts is read as those parts.
    #[test]
    fn written_suites_are_read_back(
        ids in prop::collection::btree_set("[a-z0-9._:/-]{1,12}", 1..5),
        labels in prop::collection::btree_set("[A-Za-z0-9][A-Za-z0-9 ()/-]{0,8}[A-Za-z0-9]", 1..5),
        user_text in "\\PC{0,40}[a-z]",
        weight in limits::WEIGHT_MIN..limits::WEIGHT_MAX,
        seed in 0..=limits::SEED,
    ) {
        let mut file = toml::Table::new();
        file.insert("name".into(), "x".into());
        file.insert("seed".into(), i64::try_from(seed).unwrap().into());
        let models: Vec<toml::Value> = labels.iter().map(|label| {
            toml::Table::from_iter([
                ("label".to_owned(), label.as_str().into()),
                ("model".to_owned(), "m/one".into()),
            ]).into()
        }).collect();
        file.insert("models".into(), models.into());
        let prompts: Vec<toml::Value> = ids.iter().map(|id| {
            toml::Table::from_iter([
                ("id".to_owned(), id.as_str().into()),
                ("user".to_owned(), user_text.as_str().into()),
                ("weight".to_owned(), weight.into()),
            ]).into()
        }).collect();
        file.insert("prompts".into(), prompts.into());
        let text = toml::to_string(&file).unwrap();
        let suite = parse_suite(&text).unwrap();
        prop_assert_eq!(suite.seed, seed);
        prop_assert!(suite.variants.iter().map(|v| &v.label).eq(&labels));
        prop_assert!(suite.prompts.iter().map(|p| &p.id).eq(&ids));
        prop_assert!(suite.prompts.iter().all(|p| p.messages[0].content == user_text));
        prop_assert!(suite.prompts.iter().all(|p| p.weight.to_bits() == weight.to_bits()));
    }
}

#[test]
fn a_shared_prefix_opens_every_prompt() {
    // Whatever system text a prompt or a variant has, the prefix stands before it, in one text; a mark ends
    // the prefix, so that what differs behind it is not marked with it. Other prefixes are other prompts.
    let text = "name = \"x\"\nmodels = [\"m\", { model = \"m\", label = \"own\", system = \"Think.\", cache = \"bust\" }]\n\
                cache = { mode = \"warm\", within = \"90s\", prefix = \"Handbook.\" }\n\
                [[prompts]]\nid = \"a\"\nuser = \"Why?\"";
    let suite = parse_suite(text).unwrap();
    assert_eq!(
        suite.reuse.within_ns,
        Some(crate::units::Nanos::from_millis(90_000))
    );
    let modes = suite.variants.iter().map(|variant| suite.cache_of(variant));
    assert_eq!(
        modes.collect::<Vec<_>>(),
        [CacheMode::Warm, CacheMode::Bust]
    );
    let opening = |suite: &Suite, variant: usize| -> Vec<(String, bool)> {
        let messages = suite.messages_of(&suite.prompts[0], &suite.variants[variant]);
        let system = messages.into_iter().filter(|one| one.role == Role::System);
        system
            .map(|one| (one.content, one.cache_control.is_some()))
            .collect()
    };
    assert_eq!(opening(&suite, 0), [("Handbook.".to_owned(), false)]);
    assert_eq!(
        opening(&suite, 1),
        [("Handbook.\n\nThink.".to_owned(), false)]
    );
    let marked = format!(
        "{}\n[parameters]\nsystem_cache_control = \"ephemeral\"",
        &text[..text.find("[[").unwrap()]
    );
    let marked = parse_suite(&format!("{marked}\n{}", &text[text.find("[[").unwrap()..])).unwrap();
    assert_eq!(opening(&marked, 0), [("Handbook.".to_owned(), true)]);
    assert_eq!(
        opening(&marked, 1),
        [("Handbook.".to_owned(), true), ("Think.".to_owned(), false)]
    );
    let other = parse_suite(&text.replace("Handbook", "Guide")).unwrap();
    assert_ne!(
        prompt_canonical(&suite, &suite.prompts[0]),
        prompt_canonical(&other, &other.prompts[0])
    );
    // Read back from a manifest it is the same suite.
    let stored = serde_json::to_string(&suite).unwrap();
    assert_eq!(serde_json::from_str::<Suite>(&stored).unwrap(), suite);
}
