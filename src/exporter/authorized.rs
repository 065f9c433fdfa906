//! Requests that carry a token which is fetched and runs out. One that the destination does not take is replaced, once a request.

use reqwest::Body;

use crate::exporter::ExportError;
use crate::http::client::oauth2::{TokenError, Tokens};
use crate::http::client::{Answer, Client, Route};

/// Posts a body; with a token where there are any to be had.
///
/// # Errors
/// `Retry` when no whole answer came, or no token can be had now; `Pause` when the issuer refuses to give one.
pub(super) async fn post(
    client: &Client,
    tokens: Option<&Tokens>,
    route: &Route,
    body: impl Fn() -> Body,
    is_refused: impl Fn(&Answer) -> bool,
) -> Result<Answer, ExportError> {
    let Some(tokens) = tokens else { return Ok(client.post(route, body()).await?) };
    let header = tokens.header().await?;
    let answer = client.post_with(route, &header, body()).await?;
    if !is_refused(&answer) {
        return Ok(answer);
    }
    tokens.forget(&header).await;
    Ok(client.post_with(route, &tokens.header().await?, body()).await?)
}

impl From<TokenError> for ExportError {
    fn from(error: TokenError) -> Self {
        let cause = error.to_string();
        match error {
            TokenError::Refused { .. } => Self::Pause { cause },
            _ => Self::Retry { after: None, cause },
        }
    }
}
