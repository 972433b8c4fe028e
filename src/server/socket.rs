//! What the admin port tells, on a Unix socket as well: two processes may share an address, and a probe must reach
//! the one that it means.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use thiserror::Error;
use tokio::net::UnixListener;

use super::Error as ServerError;

/// A socket that nobody answers on yet.
#[derive(Debug)]
pub struct Socket(UnixListener);

/// Why a probe was not answered well.
#[derive(Debug, Error)]
pub enum Unwell {
    /// Nobody answered.
    #[error("failed to ask at `{}`", path.display())]
    Ask {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: reqwest::Error,
    },
    /// What was answered.
    #[error("{}", .0.trim_end())]
    Told(String),
}

impl Socket {
    /// Takes the socket at `path`. One that a process which is gone has left is replaced.
    ///
    /// # Errors
    ///
    /// Somebody answers there, or it cannot be made.
    pub fn bind(path: &Path) -> Result<Self, ServerError> {
        let bound = free(path).and_then(|()| UnixListener::bind(path));
        bound.map(Self).map_err(|source| ServerError::Socket {
            path: path.to_owned(),
            source,
        })
    }

    /// Answers by `router`, for ever.
    ///
    /// # Errors
    ///
    /// The server could not go on.
    pub async fn serve(self, router: Router) -> io::Result<()> {
        axum::serve(self.0, router).await
    }
}

/// Takes away what is left of a socket at `path`. Whatever else is there, the next step says so.
fn free(path: &Path) -> io::Result<()> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(_) => std::fs::remove_file(path),
    }
}

/// What the process with the socket at `path` says of `what`, within `timeout`.
///
/// # Errors
///
/// It does not answer, or not with status 200.
pub async fn ask(path: &Path, what: &str, timeout: Duration) -> Result<String, Unwell> {
    let failed = |source| Unwell::Ask {
        path: path.to_owned(),
        source,
    };
    let client = reqwest::Client::builder().unix_socket(path);
    let client = client.timeout(timeout).build().map_err(failed)?;
    let url = format!("http://localhost{what}");
    let answer = client.get(url).send().await.map_err(failed)?;
    let is_well = answer.status().is_success();
    let text = answer.text().await.map_err(failed)?;
    if is_well {
        Ok(text)
    } else {
        Err(Unwell::Told(text))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::routing::get;
    use tempfile::TempDir;
    use tokio::task::JoinSet;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn what_is_told_there_is_asked_for_there() {
        let folder = TempDir::new().unwrap();
        let path = &folder.path().join("admin.sock");
        let router = Router::new().route("/livez", get("ok\n")).route(
            "/readyz",
            get((StatusCode::SERVICE_UNAVAILABLE, "not yet\n")),
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(Socket::bind(path).unwrap().serve(router));

        assert_eq!(ask(path, "/livez", SOON).await.unwrap(), "ok\n");
        let unwell = ask(path, "/readyz", SOON).await.unwrap_err();
        assert_eq!(unwell.to_string(), "not yet");
    }

    #[tokio::test]
    async fn one_that_was_left_is_replaced_and_one_that_is_used_is_not() {
        let folder = TempDir::new().unwrap();
        let path = &folder.path().join("admin.sock");
        drop(Socket::bind(path).unwrap());
        assert!(path.exists());

        let used = Socket::bind(path).unwrap();
        let error = Socket::bind(path).unwrap_err();

        let expected = format!(
            "failed to listen on `{}` (flag `--admin-socket`)",
            path.display()
        );
        assert_eq!(error.to_string(), expected);
        drop(used);
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = TempDir::new().unwrap();
        let path = &folder.path().join("file");
        std::fs::write(path, "precious").unwrap();

        Socket::bind(path).unwrap_err();

        assert_eq!(std::fs::read_to_string(path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn one_that_nobody_answers_on_is_named() {
        let folder = TempDir::new().unwrap();
        let path = &folder.path().join("admin.sock");

        let unwell = ask(path, "/livez", SOON).await.unwrap_err();

        assert!(unwell.to_string().contains("admin.sock"), "{unwell}");
    }
}
