//! The metadata services of AWS, Google Cloud and Azure: plain HTTP to a link-local address, asked only where the
//! configuration names the detector, once, at start. Elsewhere nobody answers at that address, which costs the timeout.
//!
//! Another address can be given as the SDKs have it: `AWS_EC2_METADATA_SERVICE_ENDPOINT` (a URL) and `GCE_METADATA_HOST`
//! (host and port). No proxy is asked, no redirect followed. Credentials, which these services also give out, are never
//! asked for.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use http::Method;
use reqwest::Url;
use tracing::warn;

use super::{Found, World, text};
use crate::http::client::{Address, Answer, Client, Headers, Options, Route, Tls};
use crate::processor::enrich::Detector;
use crate::stdx::json::{Reader, Value};
use crate::stdx::{secret::Secret, tasks};

const LINK_LOCAL: &str = "http://169.254.169.254";
/// How deep values that are passed over may nest.
const DEPTH_MAX: usize = 32;

/// Asks on a thread of its own: building the service does not wait for tasks.
pub(super) fn find(detector: Detector, world: &World<'_>, timeout: Duration) -> Found {
    let base = match detector {
        Detector::Ec2 => world.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
        Detector::Gcp => world.variable("GCE_METADATA_HOST").map(|host| format!("http://{host}")),
        _ => None,
    };
    let base = base.unwrap_or_else(|| LINK_LOCAL.to_owned());
    let (give, answer) = sync_channel(1);
    let asked = tasks::thread("telseal-cloud", move || {
        // Nobody hears it where the other end is gone.
        let _ = give.send(ask_in_time(detector, &base, timeout));
    });
    let answer = match asked {
        Ok(_) => answer.recv().unwrap_or_else(|_| Err("the request failed".to_owned())),
        Err(error) => Err(error.to_string()),
    };
    answer.unwrap_or_else(|error| {
        warn!(?detector, error, "the cloud's metadata service does not answer");
        Found::new()
    })
}

fn ask_in_time(detector: Detector, base: &str, timeout: Duration) -> Result<Found, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let asking = ask(detector, base, timeout);
        tokio::time::timeout(timeout, asking).await.map_err(|_| format!("no answer within {timeout:?}"))?
    })
}

async fn ask(detector: Detector, base: &str, timeout: Duration) -> Result<Found, String> {
    let service = Service::new(base, timeout)?;
    match detector {
        Detector::Gcp => gcp(&service).await,
        Detector::Azure => azure(&service).await,
        _ => ec2(&service).await,
    }
}

/// One metadata service.
struct Service {
    base: Url,
    client: Client,
}

impl Service {
    fn new(base: &str, timeout: Duration) -> Result<Self, String> {
        let base =
            Url::parse(base).map_err(|error| format!("the address of the metadata service is no URL: {error}"))?;
        let options = Options {
            url: &base,
            tls: &Tls::default(),
            proxy_url: &Address::default(),
            timeout,
            http2_only: false,
            keepalive: None,
        };
        let client = Client::new(&options).map_err(|error| error.to_string())?;
        Ok(Self { base, client })
    }

    async fn send(&self, method: Method, path: &str, header: (&str, &str)) -> Result<Answer, String> {
        let url = self.base.join(path).map_err(|error| error.to_string())?;
        let headers: Headers = [(header.0.to_owned(), Secret::new(header.1))].into();
        let route = Route::new(url, &Tls::default(), &[], &headers).map_err(|error| error.to_string())?;
        let answer = self.client.send(method, &route, "").await.map_err(|error| error.to_string())?;
        match answer.status {
            200 => Ok(answer),
            status => Err(format!("{} answers with status {status}", route.name())),
        }
    }

    async fn get(&self, path: &str, header: (&str, &str)) -> Result<String, String> {
        self.send(Method::GET, path, header).await.map(body)
    }
}

fn body(answer: Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// The attributes of the members that are there and not empty.
fn found(provider: &str, platform: &str, members: &BTreeMap<String, String>, names: &[(&str, &str)]) -> Found {
    let mut found = vec![text("cloud.provider", provider), text("cloud.platform", platform)];
    for (attribute, member) in names {
        found.extend(members.get(*member).filter(|value| !value.is_empty()).map(|value| text(attribute, value)));
    }
    found
}

/// IMDSv2: a token first, and every question with it.
async fn ec2(service: &Service) -> Result<Found, String> {
    let ttl = ("x-aws-ec2-metadata-token-ttl-seconds", "60");
    let token = body(service.send(Method::PUT, "/latest/api/token", ttl).await?);
    let token = ("x-aws-ec2-metadata-token", token.as_str());
    let document = service.get("/latest/dynamic/instance-identity/document", token).await?;
    let mut members = strings(&document)?;
    if let Ok(name) = service.get("/latest/meta-data/hostname", token).await {
        members.insert("hostname".to_owned(), name.trim().to_owned());
    }
    let names = [
        ("cloud.account.id", "accountId"),
        ("cloud.region", "region"),
        ("cloud.availability_zone", "availabilityZone"),
        ("host.id", "instanceId"),
        ("host.type", "instanceType"),
        ("host.image.id", "imageId"),
        ("host.name", "hostname"),
    ];
    Ok(found("aws", "aws_ec2", &members, &names))
}

/// One question a fact: asked for all at once, the answer also holds start-up scripts and SSH keys.
async fn gcp(service: &Service) -> Result<Found, String> {
    const FLAVOR: (&str, &str) = ("metadata-flavor", "Google");
    let root = service.send(Method::GET, "/computeMetadata/v1/instance/id", FLAVOR).await?;
    // Another service at this address would not say so.
    if root.headers.get("metadata-flavor").is_none_or(|flavor| flavor != "Google") {
        return Err("what answers is not the metadata service of Google Cloud".to_owned());
    }
    let mut members = BTreeMap::from([("id".to_owned(), body(root))]);
    for (name, path) in [
        ("project", "/computeMetadata/v1/project/project-id"),
        ("zone", "/computeMetadata/v1/instance/zone"),
        ("name", "/computeMetadata/v1/instance/name"),
        ("type", "/computeMetadata/v1/instance/machine-type"),
    ] {
        let value = service.get(path, FLAVOR).await?;
        // `projects/123/zones/europe-west1-b`: the last part is the name.
        members.insert(name.to_owned(), value.trim().rsplit('/').next().unwrap_or_default().to_owned());
    }
    let region = members["zone"].rsplit_once('-').map(|(region, _)| region.to_owned()).unwrap_or_default();
    members.insert("region".to_owned(), region);
    let names = [
        ("cloud.account.id", "project"),
        ("cloud.region", "region"),
        ("cloud.availability_zone", "zone"),
        ("host.id", "id"),
        ("host.name", "name"),
        ("host.type", "type"),
    ];
    Ok(found("gcp", "gcp_compute_engine", &members, &names))
}

async fn azure(service: &Service) -> Result<Found, String> {
    let path = "/metadata/instance/compute?api-version=2021-02-01&format=json";
    let members = strings(&service.get(path, ("metadata", "true")).await?)?;
    let names = [
        ("cloud.account.id", "subscriptionId"),
        ("cloud.region", "location"),
        ("cloud.availability_zone", "zone"),
        ("host.id", "vmId"),
        ("host.name", "name"),
        ("host.type", "vmSize"),
        ("azure.vm.name", "name"),
        ("azure.vm.size", "vmSize"),
        ("azure.vm.scaleset.name", "vmScaleSetName"),
        ("azure.resourcegroup.name", "resourceGroupName"),
    ];
    Ok(found("azure", "azure.vm", &members, &names))
}

/// The members of a JSON object that are strings.
fn strings(json: &str) -> Result<BTreeMap<String, String>, String> {
    let wrong = |_| "the answer is not the JSON that was expected".to_owned();
    let mut reader = Reader::new(json.as_bytes()).map_err(wrong)?;
    if !matches!(reader.value().map_err(wrong)?, Value::Object) {
        return Err("the answer is not a JSON object".to_owned());
    }
    let mut members = BTreeMap::new();
    while let Some(name) = reader.next_member().map_err(wrong)? {
        let name = name.read(&mut String::new()).to_owned();
        let range = reader.skip_value(DEPTH_MAX).map_err(wrong)?;
        let mut value = Reader::over(reader.slice(range));
        if let Ok(Value::Str(text)) = value.value() {
            members.insert(name, text.read(&mut String::new()).to_owned());
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers each request of a connection by its method and path, if it has the header; 404 otherwise.
    fn fake(answers: &'static [(&str, &str, &str)]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        drop(tasks::thread("fake", move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let Some(Ok(first)) = lines.next() else { continue };
                let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let head = head.join("\n").to_lowercase();
                let fits = |(line, header, _): &&(&str, &str, &str)| {
                    first.starts_with(&format!("{line} ")) && head.contains(*header)
                };
                let (status, body) =
                    answers.iter().find(fits).map_or(("404 Not Found", ""), |(.., body)| ("200 OK", *body));
                let length = body.len();
                let _ = write!(
                    &stream,
                    "HTTP/1.1 {status}\r\nMetadata-Flavor: Google\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
            }
        }));
        base
    }

    fn find_at(detector: Detector, base: &str) -> Result<Found, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(ask(detector, base, Duration::from_secs(10)))
    }

    #[test]
    fn ec2_is_asked_with_a_token() {
        let base = fake(&[
            ("PUT /latest/api/token", "x-aws-ec2-metadata-token-ttl-seconds: 60", "tok"),
            (
                "GET /latest/dynamic/instance-identity/document",
                "x-aws-ec2-metadata-token: tok",
                r#"{"accountId":"123","region":"eu-west-1","availabilityZone":"eu-west-1a","instanceId":"i-1",
                    "instanceType":"m5.large","imageId":"ami-1","marketplaceProductCodes":null,"list":["x"]}"#,
            ),
            ("GET /latest/meta-data/hostname", "x-aws-ec2-metadata-token: tok", "ip-10-0-0-1.ec2.internal"),
        ]);
        let found = find_at(Detector::Ec2, &base).unwrap();
        assert_eq!(found[0], text("cloud.provider", "aws"));
        assert!(found.contains(&text("host.id", "i-1")) && found.contains(&text("cloud.account.id", "123")));
        assert!(found.contains(&text("host.name", "ip-10-0-0-1.ec2.internal")));
        assert_eq!(found.len(), 9);
    }

    #[test]
    fn the_variable_that_the_sdks_know_gives_another_address() {
        let base = fake(&[
            ("PUT /latest/api/token", "", "tok"),
            ("GET /latest/dynamic/instance-identity/document", "", r#"{"region":"eu-west-1"}"#),
        ]);
        let env = move |name: &str| (name == "AWS_EC2_METADATA_SERVICE_ENDPOINT").then(|| base.clone());
        let world = World { root: "/nowhere".into(), env: &env };
        let found = find(Detector::Ec2, &world, Duration::from_secs(10));
        assert!(found.contains(&text("cloud.region", "eu-west-1")));
    }

    #[test]
    fn google_cloud_says_who_it_is() {
        let base = fake(&[
            ("GET /computeMetadata/v1/instance/id", "metadata-flavor: google", "42"),
            ("GET /computeMetadata/v1/instance/zone", "metadata-flavor: google", "projects/7/zones/europe-west1-b"),
            ("GET /computeMetadata/v1/instance/name", "metadata-flavor: google", "vm-1"),
            ("GET /computeMetadata/v1/instance/machine-type", "", "projects/7/machineTypes/e2-small"),
            ("GET /computeMetadata/v1/project/project-id", "", "my-project"),
        ]);
        let found = find_at(Detector::Gcp, &base).unwrap();
        for (key, value) in [
            ("cloud.region", "europe-west1"),
            ("cloud.availability_zone", "europe-west1-b"),
            ("host.id", "42"),
            ("host.type", "e2-small"),
            ("cloud.account.id", "my-project"),
        ] {
            assert!(found.contains(&text(key, value)), "{key}");
        }
    }

    #[test]
    fn azure_needs_a_header() {
        let base = fake(&[(
            "GET /metadata/instance/compute?api-version=2021-02-01&format=json",
            "metadata: true",
            r#"{"name":"vm","vmId":"id-1","location":"westeurope","vmSize":"B2s","vmScaleSetName":"","tagsList":[]}"#,
        )]);
        let found = find_at(Detector::Azure, &base).unwrap();
        assert!(found.contains(&text("cloud.region", "westeurope")) && found.contains(&text("azure.vm.name", "vm")));
        assert!(!found.iter().any(|(key, _)| key == "azure.vm.scaleset.name"));
    }

    #[test]
    fn another_service_at_the_address_is_an_error_that_names_it() {
        let base = fake(&[]);
        let error = find_at(Detector::Ec2, &base).unwrap_err();
        assert!(error.contains("/latest/api/token answers with status 404"), "{error}");
        let gone = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
        assert!(find_at(Detector::Azure, &gone).unwrap_err().contains("cannot connect"));
    }
}
