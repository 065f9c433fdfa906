//! `telseal healthcheck`: asks a running telseal whether a record would be accepted now. For containers without a shell.

use std::time::Duration;

use clap::Args;
use reqwest::Method;

use crate::cli::{Exit, complain, say};
use crate::http::client::{Address, Client, Headers, Options, Route, Tls};

#[derive(Debug, Args)]
#[command(after_help = "Exit code 0: ready; 1: not ready, or nobody answers.")]
pub(super) struct HealthcheckArgs {
    /// The admin port: service.telemetry.metrics.endpoint
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8888")]
    endpoint: String,
    /// Ask only whether the process lives, not whether it would take a record
    #[arg(long)]
    live: bool,
    /// How long to wait for the answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    timeout: u64,
}

pub(super) fn healthcheck(args: &HealthcheckArgs) -> Exit {
    match ask(args) {
        Ok(text) => {
            say(text);
            Exit::Ok
        }
        Err(why) => {
            complain(format!("telseal: {}\n", why.trim_end()));
            Exit::Runtime
        }
    }
}

fn ask(args: &HealthcheckArgs) -> Result<String, String> {
    let path = if args.live { "healthz" } else { "readyz" };
    let address = Address::new(format!("http://{}/{path}", args.endpoint));
    let url = address.url().ok_or_else(|| format!("`{}` is not HOST:PORT", args.endpoint))?;
    let tls = Tls::default();
    let client = Client::new(&Options {
        url: &url,
        tls: &tls,
        proxy_url: &Address::default(),
        timeout: Duration::from_secs(args.timeout.max(1)),
        http2_only: false,
        keepalive: None,
    });
    let client = client.map_err(|error| error.to_string())?;
    let route = Route::new(url, &tls, &[], &Headers::new()).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = runtime.map_err(|error| error.to_string())?.block_on(client.send(Method::GET, &route, ""));
    let answer = answer.map_err(|failure| failure.to_string())?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.status == 200 { Ok(text) } else { Err(format!("not ready: {text}")) }
}
