//! `report.html` in a browser: what only a browser can say.
//!
//! Needs Chromium (`apt-get install chromium`); without it each test prints that it was skipped. With the path of
//! axe-core's `axe.min.js` (`npm install axe-core`) in `BAKEOFF_AXE` accessibility is checked as well.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The names of the browser, by distribution.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Opens every folded part, sorts by the second column twice, opens the first prompt, and focuses the first mark.
const PROBE: &str = r##"
const all = (selector) => [...document.querySelectorAll(selector)];
const first = () => document.querySelector("#heat tr.pr th").textContent;
const found = { charts: all("svg.wide").length, tables: all(".fig details table").length, before: first() };
const heading = all("#heat thead button")[1];
heading.click();
found.rising = heading.parentNode.getAttribute("aria-sort");
const values = () => all("#heat tr.pr").map((row) => parseFloat(row.cells[1].dataset.v));
found.sorted = values().every((value, place, list) => place === 0 || list[place - 1] <= value);
heading.click();
found.falling = values().every((value, place, list) => place === 0 || list[place - 1] >= value);
const button = document.querySelector("#heat .op");
button.click();
found.opened = document.querySelector("#heat tr.dt").textContent;
found.expanded = button.getAttribute("aria-expanded");
const mark = all(".pick").find((one) => one.getClientRects().length > 0);
mark.focus();
found.readout = mark.closest(".fig").querySelector(".readout").textContent;
found.focused = mark.getAttribute("aria-label");
found.overflows = document.documentElement.scrollWidth > innerWidth;
const write = () => {
  const output = document.createElement("pre");
  output.id = "probe";
  output.textContent = JSON.stringify(found);
  document.body.append(output);
};
if (window.axe) {
  for (const folded of all("details")) folded.open = true;
  axe.run(document, { resultTypes: ["violations"] }).then((result) => {
    found.violations = result.violations.map((one) => one.id + " " + one.nodes[0].html);
    write();
  });
} else write();
"##;

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let named = BROWSERS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let found = named.into_iter().find(|program| program.is_file());
    if found.is_none() {
        eprintln!("skipped: no Chromium; install it to test report.html in a browser");
    }
    found
}

fn example() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/example/report.html");
    fs::read_to_string(page).unwrap()
}

/// The document of a page after its scripts ran, and what the browser logged.
fn load(browser: &Path, page: &str, width: u32) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    fs::write(&file, page).unwrap();
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
        ])
        .args(["--virtual-time-budget=60000", "--dump-dom"])
        .arg(format!("--window-size={width},900"))
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(output.stdout), text(output.stderr))
}

#[test]
fn the_script_runs_under_the_policy_of_the_page() {
    // A digest that is not the script's stops sorting and opening, and only the browser says so.
    let Some(browser) = browser() else { return };
    let (document, log) = load(&browser, &example(), 1200);
    let complaints: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    assert!(
        document.contains("aria-sort=\"none\""),
        "headings are no buttons"
    );
    assert!(
        document.contains("aria-expanded=\"false\""),
        "prompts do not open"
    );
}

#[test]
fn sorting_opening_and_reading_work_at_every_width() {
    // The page is read on a telephone as well; a mark says its value to who focuses it.
    let Some(browser) = browser() else { return };
    let axe = std::env::var_os("BAKEOFF_AXE").map(|path| fs::read_to_string(path).unwrap());
    if axe.is_none() {
        eprintln!("skipped: accessibility; name axe-core's axe.min.js in BAKEOFF_AXE to check it");
    }
    let page = example();
    // The probe is a script that the page does not have: its policy is taken away for the test alone.
    let from = page
        .find("<meta http-equiv=\"Content-Security-Policy\"")
        .unwrap();
    let to = from + page[from..].find('>').unwrap() + 1;
    let axe = axe.unwrap_or_default();
    let scripts = format!("<script>{axe}</script><script>{PROBE}</script></body>");
    let page = format!("{}{}", &page[..from], &page[to..]).replace("</body>", &scripts);
    for width in [1200, 500] {
        let (document, log) = load(&browser, &page, width);
        let (_, found) = document
            .split_once("<pre id=\"probe\">")
            .unwrap_or_else(|| panic!("{log}"));
        let found = found.split("</pre>").next().unwrap();
        let found = found
            .replace("&amp;", "&")
            .replace("&lt;", "<")
            .replace("&gt;", ">");
        let found: Value = serde_json::from_str(&found).unwrap();
        assert_eq!(found["charts"], 7, "{found}");
        assert!(found["tables"].as_u64() >= Some(7), "{found}");
        assert_eq!(found["rising"], "ascending");
        for key in ["sorted", "falling"] {
            assert_eq!(found[key], true, "{key}: {found}");
        }
        assert_eq!(found["expanded"], "true");
        let opened = found["opened"].as_str().unwrap();
        assert!(
            opened.contains("output tokens") && opened.contains("gpt-5.6-luna"),
            "{opened}"
        );
        assert_eq!(found["readout"], found["focused"]);
        assert_eq!(found["overflows"], false, "{found}");
        if !axe.is_empty() {
            assert_eq!(found["violations"], Value::Array(Vec::new()), "{found}");
        }
    }
}
