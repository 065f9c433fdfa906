//! Certificates for the tests, made by `openssl` in a folder of the test, and that client's view of a listener.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::process::said;

/// Whether the programs are there that these tests send with.
pub(crate) fn has_tools() -> bool {
    let has = |tool: &str| {
        let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
        let found = found.is_ok_and(|output| output.status.success());
        if !found {
            println!("skipped: there is no {tool}");
        }
        found
    };
    has("openssl") && has("curl")
}

/// What strict clients (Python since 3.13) want of a certificate.
const USAGE: &str = "extendedKeyUsage=serverAuth,clientAuth\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n";

/// A folder with an authority, and what it signed.
pub(crate) struct Pki {
    dir: PathBuf,
}

impl Pki {
    /// An authority of this name in a folder of that name.
    pub(crate) fn new(parent: &Path, name: &str) -> Self {
        let dir = parent.join(name);
        fs::create_dir_all(&dir).unwrap();
        let pki = Self { dir };
        let subject = format!("/CN={name}");
        pki.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-subj",
            &subject,
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ]);
        pki
    }

    /// A certificate `name.pem` and its `name.key`, for this subject and these alternative names.
    pub(crate) fn sign(&self, name: &str, subject: &str, sans: &str) {
        let (key, csr, pem, ext) =
            (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"), format!("{name}.ext"));
        self.openssl(&[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &csr,
            "-subj",
            subject,
        ]);
        let names = if sans.is_empty() { String::new() } else { format!("subjectAltName={sans}\n") };
        fs::write(self.dir.join(&ext), format!("{names}{USAGE}")).unwrap();
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &csr,
            "-days",
            "30",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-extfile",
            &ext,
            "-out",
            &pem,
        ]);
    }

    /// The path of one of its files.
    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// What `x509` says of a certificate of its own.
    pub(crate) fn serial(&self, name: &str) -> String {
        let output = self.openssl(&["x509", "-noout", "-serial", "-in", name]);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn openssl(&self, arguments: &[&str]) -> Output {
        let output = Command::new("openssl").args(arguments).current_dir(&self.dir).output().unwrap();
        assert!(output.status.success(), "openssl {arguments:?}: {}", said(&output));
        output
    }
}

/// `curl` with these arguments: its exit code, and everything it said.
pub(crate) fn curl(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new("curl").args(["--silent", "--show-error", "--max-time", "20"]).args(arguments).output();
    let output = output.unwrap();
    (output.status.code(), said(&output))
}

/// The arguments with which `curl` posts a log record as JSON and prints status and protocol.
pub(crate) const POST_A_LOG: [&str; 8] = [
    "--header",
    "content-type: application/json",
    "--data",
    r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1792000000000000000","body":{"stringValue":"by curl"}}]}]}]}"#,
    "--output",
    "/dev/null",
    "--write-out",
    "%{http_code} HTTP/%{http_version}",
];

/// `openssl s_client` against a port: whether the handshake went well, and everything it said.
pub(crate) fn s_client(port: u16, arguments: &[&str]) -> (bool, String) {
    let mut child = Command::new("timeout")
        .args(["20", "openssl", "s_client", "-ign_eof", "-connect", &format!("127.0.0.1:{port}")])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A request that is none: what comes back, or an alert, ends the connection.
    let _ = child.stdin.take().unwrap().write_all(b"GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let output = child.wait_with_output().unwrap();
    (output.status.success(), said(&output))
}

/// The serial number of the certificate that a port shows now, as `x509 -serial` prints it.
pub(crate) fn shown_serial(port: u16) -> String {
    let (_, said) = s_client(port, &["-showcerts"]);
    let pem = said.find("-----BEGIN").zip(said.find("-----END CERTIFICATE-----")).map(|(begin, end)| &said[begin..end]);
    let Some(pem) = pem else { return String::new() };
    let mut child = Command::new("openssl")
        .args(["x509", "-noout", "-serial"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{pem}-----END CERTIFICATE-----\n").as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}
