//! Reads a request's body into one piece of memory, and lets only so much of it be taken at a
//! time.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// A body up to this long is small: 5,000 names of the greatest length make 1.3 MB.
pub const SMALL: usize = 2 << 20;

/// The longest body: 5,000 Nodes with 50 images each make 57 MB, and 15,000 of them 170 MB.
pub const LARGE: usize = 256 << 20;

/// Small bodies at a time. A scheduler asks for one pod at a time.
const SMALL_AT_ONCE: usize = 32;

/// A review of a Binding up to this long is small: kube-scheduler's is 2 kB. What whoever may create Bindings
/// writes into one makes it larger, and waits for others of that kind alone.
const SMALL_REVIEW: usize = 64 << 10;

/// The longest review: the API server takes objects of 3 MiB, and JSON may spell each byte with six.
const LARGE_REVIEW: usize = 32 << 20;

/// Small reviews at a time: as many as there may be connections, so that clients that stall hold up nobody
/// else's. They make 16 MiB.
const REVIEWS_AT_ONCE: usize = 256;

/// How long a review may take to arrive: by then the API server has given up.
const REVIEW_DEADLINE: Duration = Duration::from_secs(2);

/// How long a request waits for those before it. kube-scheduler is idle meanwhile, and asks again
/// after 1 to 10 s.
const WAIT: Duration = Duration::from_secs(1);

/// How long a body may take to arrive. After 5 s kube-scheduler has given up (its default).
const DEADLINE: Duration = Duration::from_secs(5);

/// Why a body was not read.
#[derive(Debug, Error)]
pub enum Error {
    /// Others are being answered.
    #[error("busy with other requests; ask again")]
    Busy,
    /// The connection broke.
    #[error("the request's body broke off")]
    Lost(#[source] axum::Error),
    /// The client stalls.
    #[error("the request's body took longer than {} s to arrive", .0.as_secs())]
    Slow(Duration),
    /// The body does not end in time.
    #[error("the request's body is longer than {0} bytes")]
    TooLarge(usize),
}

impl Error {
    /// The status that a request is answered with whose body was not read.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Lost(_) => StatusCode::BAD_REQUEST,
            Self::Slow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

/// The one way in for bodies: many small ones at a time, or one large one beside them.
#[derive(Debug)]
pub struct Intake {
    small: Class,
    large: Class,
    deadline: Duration,
}

/// Bodies up to a length, of which so many may be held in memory.
#[derive(Debug)]
struct Class {
    longest: usize,
    places: Arc<Semaphore>,
}

/// Memory that gives its place free when the last slice of it is dropped.
struct Held<T> {
    memory: T,
    _place: OwnedSemaphorePermit,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
    fn as_ref(&self) -> &[u8] {
        self.memory.as_ref()
    }
}

impl Default for Intake {
    fn default() -> Self {
        Self::new(SMALL, LARGE)
    }
}

impl Intake {
    /// For reviews of Bindings. Whoever reaches the port may send some: they are small, many and quick.
    pub fn of_reviews() -> Self {
        Self {
            small: Class::new(SMALL_REVIEW, REVIEWS_AT_ONCE),
            large: Class::new(LARGE_REVIEW, 1),
            deadline: REVIEW_DEADLINE,
        }
    }

    fn new(small: usize, large: usize) -> Self {
        Self {
            small: Class::new(small, SMALL_AT_ONCE),
            large: Class::new(large, 1),
            deadline: DEADLINE,
        }
    }

    /// Reads `body` to its end. Its place is taken until every slice of the bytes is dropped.
    ///
    /// # Errors
    ///
    /// It is too long or too slow, or there is no place for it.
    pub async fn read(&self, body: Body) -> Result<Bytes, Error> {
        // hyper knows the length from the head, where there is one.
        let length = body.size_hint().exact();
        let length = length.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if length.is_some_and(|length| length > self.large.longest) {
            return Err(Error::TooLarge(self.large.longest));
        }
        let class = match length {
            Some(length) if length > self.small.longest => &self.large,
            _ => &self.small,
        };
        let place = class.place().await?;
        match timeout(self.deadline, self.collect(body, length, place)).await {
            Ok(read) => read,
            Err(_) => Err(Error::Slow(self.deadline)),
        }
    }

    /// Puts the frames of `body` together. One that turns out to be large takes the place of a
    /// large one then.
    async fn collect(
        &self,
        mut body: Body,
        length: Option<usize>,
        mut place: OwnedSemaphorePermit,
    ) -> Result<Bytes, Error> {
        // All at once where the length is known: a buffer that grows is held twice while it moves.
        let mut buffer = BytesMut::with_capacity(length.unwrap_or_default());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(Error::Lost)?.into_data() else {
                continue;
            };
            if buffer.is_empty() && length == Some(data.len()) {
                return Ok(hold(data, place));
            }
            let grown = buffer.len() + data.len();
            if grown > self.large.longest {
                return Err(Error::TooLarge(self.large.longest));
            }
            if length.is_none() && buffer.len() <= self.small.longest && grown > self.small.longest
            {
                place = self.large.place().await?;
            }
            buffer.extend_from_slice(&data);
        }
        Ok(hold(buffer, place))
    }
}

impl Class {
    fn new(longest: usize, places: usize) -> Self {
        Self {
            longest,
            places: Arc::new(Semaphore::new(places)),
        }
    }

    /// Waits a moment for a free place.
    async fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        let place = timeout(WAIT, Arc::clone(&self.places).acquire_owned()).await;
        // A semaphore that nobody closes gives a permit.
        place.ok().and_then(Result::ok).ok_or(Error::Busy)
    }
}

/// Ties `memory` to its place.
fn hold(memory: impl AsRef<[u8]> + Send + 'static, place: OwnedSemaphorePermit) -> Bytes {
    Bytes::from_owner(Held {
        memory,
        _place: place,
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{StreamExt, stream};
    use tokio::time::Instant;

    use super::*;

    /// A body of unknown length that comes in pieces.
    fn chunked(pieces: &[&'static str]) -> Body {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok::<_, Infallible>(*piece))
            .collect();
        Body::from_stream(stream::iter(pieces))
    }

    /// A body that sends `first` and then nothing, for ever.
    fn stalled(first: &'static str) -> Body {
        let first = stream::iter([Ok::<_, Infallible>(first)]);
        Body::from_stream(first.chain(stream::pending()))
    }

    #[tokio::test]
    async fn a_body_is_read_whole_however_it_comes() {
        let intake = Intake::new(4, 8);
        let table = [
            (Body::empty(), ""),
            (Body::from("1234"), "1234"),
            (Body::from("12345678"), "12345678"),
            (chunked(&["1", "", "234"]), "1234"),
            (chunked(&["1234", "5", "678"]), "12345678"),
        ];
        for (given, expected) in table {
            assert_eq!(intake.read(given).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_whether_or_not_it_says_its_length() {
        let intake = Intake::new(4, 8);
        for given in [Body::from("123456789"), chunked(&["1234", "56789"])] {
            let read = intake.read(given).await;

            assert!(matches!(read, Err(Error::TooLarge(8))), "{read:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_large_body_is_held_at_a_time_and_small_ones_pass_by() {
        let intake = Intake::new(4, 8);
        let first = intake.read(Body::from("12345")).await.unwrap();
        let slice = first.slice(1..2);
        drop(first);

        for large in [Body::from("12345"), chunked(&["12345"])] {
            let read = intake.read(large).await;
            assert!(matches!(read, Err(Error::Busy)), "{read:?}");
        }
        assert_eq!(intake.read(Body::from("1234")).await.unwrap(), "1234");

        drop(slice);
        assert_eq!(intake.read(Body::from("12345")).await.unwrap(), "12345");
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_large_body_waits_a_second_for_the_first() {
        let intake = Intake::new(4, 8);
        let first = intake.read(Body::from("12345")).await.unwrap();
        let leaves = async {
            tokio::time::sleep(Duration::from_millis(999)).await;
            drop(first);
        };

        let (second, ()) = tokio::join!(intake.read(Body::from("67890")), leaves);

        assert_eq!(second.unwrap(), "67890");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stalls_gives_its_place_back() {
        let intake = Intake::new(4, 8);
        let started = Instant::now();

        let read = intake.read(stalled("12345")).await;

        assert!(matches!(read, Err(Error::Slow(_))), "{read:?}");
        assert_eq!(started.elapsed(), DEADLINE);
        assert_eq!(intake.read(Body::from("12345")).await.unwrap(), "12345");
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_stall_hold_up_no_review() {
        let intake = Intake::of_reviews();
        let stalling = futures::future::join_all((1..REVIEWS_AT_ONCE).map(async |_| {
            let read = intake.read(stalled("{")).await;
            assert!(
                matches!(read, Err(Error::Slow(REVIEW_DEADLINE))),
                "{read:?}"
            );
        }));
        let good = async {
            tokio::task::yield_now().await;
            let started = Instant::now();
            assert_eq!(intake.read(Body::from("{}")).await.unwrap(), "{}");
            assert_eq!(started.elapsed(), Duration::ZERO);
        };

        tokio::join!(stalling, good);
    }

    #[tokio::test]
    async fn no_review_takes_more_memory_than_one_can_be_long() {
        let intake = Intake::of_reviews();
        let longest = vec![b'x'; LARGE_REVIEW];
        assert!(intake.read(Body::from(longest.clone())).await.is_ok());

        let read = intake
            .read(Body::from([longest, vec![b'x']].concat()))
            .await;

        assert!(
            matches!(read, Err(Error::TooLarge(LARGE_REVIEW))),
            "{read:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn small_bodies_are_bounded_in_number() {
        let intake = Intake::new(4, 8);
        let mut held = Vec::new();
        for _ in 0..SMALL_AT_ONCE {
            held.push(intake.read(Body::from("1")).await.unwrap());
        }

        let read = intake.read(Body::from("1")).await;

        assert!(matches!(read, Err(Error::Busy)), "{read:?}");
    }
}
