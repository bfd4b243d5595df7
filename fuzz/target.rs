//! One input, by the name of the binary. `SEEDS=FOLDER` writes the seeds there and ends.

#![no_main]

use libfuzzer_sys::fuzz_target;

const NAME: &str = env!("CARGO_BIN_NAME");

fuzz_target!(
    init: {
        if let Some(folder) = std::env::var_os("SEEDS") {
            for (number, seed) in bakeoff_fuzz::seeds(NAME).into_iter().enumerate() {
                let path = std::path::Path::new(&folder).join(format!("seed-{number}"));
                std::fs::write(path, seed).unwrap();
            }
            std::process::exit(0);
        }
    },
    |bytes: &[u8]| bakeoff_fuzz::check(NAME, bytes)
);
