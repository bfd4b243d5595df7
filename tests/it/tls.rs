//! Endpoints with TLS under a certificate authority of their own. The server terminates TLS and leads to the simulated
//! gateway; it ends with the test.

use std::net::TcpListener;
use std::sync::Arc;

use bakeoff::gateway::supported_clock;
use bakeoff::sim::{Scenario, Simulator, SimulatorHandle};
use bakeoff::suite::ClockSource;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::support::program::Home;

const SUITE: &str = "name = \"small\"\nmodels = [\"openai/gpt-5-mini\"]\nrepetitions = 1\nwarmup = 0\n\
                     [[prompts]]\nid = \"a\"\nuser = \"Hello?\"\n";

/// The simulated gateway behind TLS.
struct SecureGateway {
    port: u16,
    /// PEM of the authority that signed its certificate.
    authority: String,
    simulator: SimulatorHandle,
    _runtime: Runtime,
}

/// A gateway whose certificate is for this host.
fn secure_gateway(host: &str) -> SecureGateway {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let simulator = Simulator::start(Scenario::built_in(), listener, None, 1).unwrap();
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec![host.to_owned()]).unwrap();
    let certificate = own.signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let target = simulator.base_url();
    let target = target.trim_start_matches("http://");
    let target = target.trim_end_matches("/v1").to_owned();
    let runtime = Runtime::new().unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, target) = (acceptor.clone(), target.clone());
            tokio::spawn(async move {
                // A client that does not trust it goes away: nothing to do here.
                let Ok(mut secure) = acceptor.accept(stream).await else {
                    return;
                };
                let mut plain = TcpStream::connect(target).await.unwrap();
                let _ = copy_bidirectional(&mut secure, &mut plain).await;
            });
        }
    });
    SecureGateway {
        port,
        authority: pem,
        simulator,
        _runtime: runtime,
    }
}

impl SecureGateway {
    fn run(&self, host: &str) -> String {
        let port = self.port;
        format!("run suite.toml --quiet --endpoint https://{host}:{port}/v1")
    }
}

// The authority of a company's gateway: named on the command line, or at the endpoint with a path beside the project file.
#[test]
fn an_own_authority_is_trusted_where_it_is_named() {
    let gateway = secure_gateway("localhost");
    let home = Home::new()
        .with("suite.toml", SUITE)
        .with("company.pem", &gateway.authority);
    let run = gateway.run("localhost");
    home.bakeoff(&format!("{run} --ca-file company.pem")).run();
    assert_eq!(home.samples("small")[0]["outcome"], "complete");
    let models = format!("models --endpoint https://localhost:{}/v1", gateway.port);
    home.bakeoff(&format!("{models} --ca-file company.pem"))
        .says("openai/gpt-5-mini")
        .run();

    std::fs::create_dir(home.path("config")).unwrap();
    let profile = format!(
        "[endpoints.company]\nbase_url = \"https://localhost:{}/v1\"\nca_file = \"../company.pem\"\n",
        gateway.port
    );
    let home = home.with("config/project.toml", &profile);
    home.bakeoff("run suite.toml --quiet --endpoint company --project config/project.toml")
        .run();
    assert_eq!(home.samples("small")[0]["outcome"], "complete");
}

// Timestamps are those of the encrypted bytes: no answer is stamped before the simulator sent it. Where this machine was too
// busy to pair the clocks a sample says so, and keeps the other one; not every sample does.
#[test]
fn what_is_encrypted_is_stamped_by_the_kernel() {
    if supported_clock(ClockSource::Kernel) == ClockSource::User {
        return;
    }
    let gateway = secure_gateway("localhost");
    let home = Home::new()
        .with(
            "suite.toml",
            &SUITE.replace("repetitions = 1", "repetitions = 8"),
        )
        .with("company.pem", &gateway.authority);
    let run = gateway.run("localhost");
    home.bakeoff(&format!("{run} --ca-file company.pem --clock kernel"))
        .run();
    let trace = gateway.simulator.trace();
    let mut stamped = 0;
    for sample in home.samples("small") {
        assert_eq!(sample["outcome"], "complete");
        let flags = sample["flags"].as_array();
        if flags.is_some_and(|flags| flags.contains(&"user_stamped".into())) {
            continue;
        }
        stamped += 1;
        let mut records = trace.iter();
        let record = records
            .find(|one| sample["request_id"].as_str() == one.request_id.as_deref())
            .unwrap();
        for (ours, theirs) in [
            ("ttft_ns", record.first_token_ns),
            ("last_token_ns", record.chunks_ns.last().copied()),
        ] {
            let theirs = theirs.unwrap().since(record.arrival_ns);
            assert!(sample[ours].as_u64().unwrap() >= theirs.0, "{sample}");
        }
    }
    assert!(stamped > 0);
}

// A certificate of an unknown authority, or one for another host, fails with its remedy; a run of it is incomplete.
#[test]
fn a_certificate_is_checked_whatever_is_trusted() {
    let gateway = secure_gateway("elsewhere.test");
    let home = Home::new()
        .with("suite.toml", SUITE)
        .with("company.pem", &gateway.authority);
    let run = gateway.run("localhost");
    home.bakeoff(&run).exits(4).complains("--ca-file").run();
    home.bakeoff(&format!("{run} --ca-file company.pem"))
        .exits(4)
        .complains("its certificate is for another host")
        .run();
}

// A file that names no authority is found before anything is sent.
#[test]
fn a_file_without_a_certificate_is_refused() {
    let home = Home::new()
        .with("suite.toml", SUITE)
        .with("empty.pem", "nothing\n")
        .with(
            "broken.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        );
    let run = "run suite.toml --quiet --endpoint https://localhost:9/v1 --ca-file";
    for (file, words) in [
        ("empty.pem", "it has no certificate in PEM form"),
        ("broken.pem", "its certificate number 1 cannot be read"),
        ("absent.pem", "`absent.pem` could not be read"),
    ] {
        home.bakeoff(&format!("{run} {file}"))
            .exits(2)
            .complains(words)
            .run();
    }
    home.bakeoff("run suite.toml --quiet --ca-file empty.pem")
        .exits(2)
        .complains("--ca-file is for endpoints with TLS")
        .run();
    assert!(!home.path("reports").exists());
}
