//! From an `AttestationService` to what planning and the provider need of it.

use jiff::SignedDuration;
use reqwest::Url;
use reqwest::header::HeaderName;

use crate::api::text::{is_data_key, is_object_name, is_plain};
use crate::api::{Duration, Invalid};
use crate::domain::{Service, ServiceName};

use super::{
    AttestationService, AttestationServiceSpec, AuthSpec, BASE_ONLY, Batch, CONNECT, CaRef,
    DATA_KEY, DEADLINES, Dialect, HEADER, HEADER_TAKEN, HTTPS, OBJECT_NAME, ONE_KIND,
    OpenAttestation, PATH, SKEW, SecretRef, TOTAL, TRUST_ANCHOR, Timeouts,
};

/// Headers that HTTP or the provider sets; the list of `HEADER_TAKEN`.
const TAKEN: [&str; 14] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Everything needed to reach an OpenAttestation service but the contents of Secrets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connection {
    /// The object that says so: what Secrets and ConfigMaps must name in their label.
    pub name: ServiceName,
    /// Where the resources are: https, path included, no trailing slash. (`join` would replace the
    /// last segment.)
    pub url: Url,
    /// What the service speaks.
    pub dialect: Dialect,
    /// What to prove oneself with.
    pub auth: Option<Auth>,
    /// The only CA that is believed.
    pub ca: CaRef,
    /// How long to wait.
    pub deadlines: Deadlines,
    /// How far the service's clock may be off.
    pub max_skew: SignedDuration,
}

/// A header with a secret value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Auth {
    /// The header.
    pub header: HeaderName,
    /// The Secret that holds its value.
    pub secret: String,
    /// The key in the Secret.
    pub key: String,
}

/// How long to wait: `connect` ≤ `read` ≤ `total`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deadlines {
    /// For a connection, TLS included.
    pub connect: std::time::Duration,
    /// The longest silence, that before the first byte included.
    pub read: std::time::Duration,
    /// For one request as a whole.
    pub total: std::time::Duration,
}

impl TryFrom<&AttestationService> for Connection {
    type Error = Invalid;

    fn try_from(service: &AttestationService) -> Result<Self, Self::Error> {
        let asked = open_attestation(&service.spec)?;
        let skew = asked.max_skew;
        SKEW.check(
            skew <= Duration::from_secs(600),
            "spec.openAttestation.maxSkew",
            skew,
        )?;
        Ok(Self {
            name: name(service)?,
            url: url(asked)?,
            dialect: asked.dialect,
            auth: asked.auth.as_ref().map(Auth::try_from).transpose()?,
            ca: ca(asked)?,
            deadlines: Deadlines::try_from(&service.spec.timeouts)?,
            max_skew: skew.length(),
        })
    }
}

impl TryFrom<&AttestationService> for Service {
    type Error = Invalid;

    fn try_from(service: &AttestationService) -> Result<Self, Self::Error> {
        let Batch {
            first,
            next,
            max_in_flight,
        } = service.spec.batch;
        Ok(Self {
            name: name(service)?,
            url: url(open_attestation(&service.spec)?)?.into(),
            first: count("spec.batch.first", first, 1000)?,
            next: count("spec.batch.next", next, 1000)?,
            max_in_flight: count("spec.batch.maxInFlight", max_in_flight, 64)?,
        })
    }
}

impl TryFrom<&AuthSpec> for Auth {
    type Error = Invalid;

    fn try_from(auth: &AuthSpec) -> Result<Self, Self::Error> {
        const FIELD: &str = "spec.openAttestation.auth.header";
        let AuthSpec {
            header,
            secret_ref: SecretRef { name, key },
        } = auth;
        let legal = is_plain(header, "-_") && header.len() <= 64;
        let parsed = HeaderName::try_from(header).ok().filter(|_| legal);
        let parsed = parsed.ok_or_else(|| HEADER.broken(FIELD, header))?;
        HEADER_TAKEN.check(!TAKEN.contains(&parsed.as_str()), FIELD, header)?;
        reference("spec.openAttestation.auth.secretRef", name, key)?;
        Ok(Self {
            header: parsed,
            secret: name.clone(),
            key: key.clone(),
        })
    }
}

impl TryFrom<&Timeouts> for Deadlines {
    type Error = Invalid;

    fn try_from(timeouts: &Timeouts) -> Result<Self, Self::Error> {
        let Timeouts {
            connect,
            read,
            total,
        } = *timeouts;
        CONNECT.check(
            connect.length() >= SignedDuration::from_millis(100),
            "spec.timeouts.connect",
            connect,
        )?;
        TOTAL.check(
            total <= Duration::from_secs(3600),
            "spec.timeouts.total",
            total,
        )?;
        DEADLINES.check(
            connect <= read && read <= total,
            "spec.timeouts",
            format_args!("{connect}, {read}, {total}"),
        )?;
        Ok(Self {
            connect: connect.into(),
            read: read.into(),
            total: total.into(),
        })
    }
}

/// The object's name.
fn name(service: &AttestationService) -> Result<ServiceName, Invalid> {
    match &service.metadata.name {
        Some(name) => Ok(ServiceName::from(name.as_str())),
        None => Err(Invalid::new("metadata.name", "", "must be there")),
    }
}

/// The one kind of service there is.
fn open_attestation(spec: &AttestationServiceSpec) -> Result<&OpenAttestation, Invalid> {
    let asked = spec.open_attestation.as_ref();
    asked.ok_or_else(|| ONE_KIND.broken("spec", "neither"))
}

/// Base and path in one, spelled the one way in which two services are compared.
fn url(asked: &OpenAttestation) -> Result<Url, Invalid> {
    const URL: &str = "spec.openAttestation.url";
    let OpenAttestation { url, path, .. } = asked;
    // Whoever writes credentials there must not find them in logs and conditions.
    let shown = url.rsplit_once('@').map_or(url.as_str(), |(_, host)| host);
    let parsed = Url::parse(url).ok().filter(|_| is_https(url));
    let mut parsed = parsed.ok_or_else(|| HTTPS.broken(URL, shown))?;
    // `Url` forgets an empty user, query or fragment, so the text is looked at too.
    let base = parsed.path() == "/" && !url.contains(['@', '?', '#', '\\']);
    BASE_ONLY.check(base, URL, shown)?;
    let segments = path.strip_prefix('/').filter(|_| path.len() <= 512);
    let segments = segments.map(|path| path.strip_suffix('/').unwrap_or(path));
    let plain = segments.filter(|path| path.split('/').all(is_segment));
    let plain = plain.ok_or_else(|| PATH.broken("spec.openAttestation.path", path))?;
    parsed.set_path(plain);
    Ok(parsed)
}

/// Says whether `url` begins as it must: `Url` would mend `https:/host` and drop line breaks.
fn is_https(url: &str) -> bool {
    let scheme = url.get(..8).unwrap_or_default();
    let whole = url.len() <= 2048 && !url.contains(char::is_whitespace);
    scheme.eq_ignore_ascii_case("https://") && whole
}

/// Says whether `segment` is one of a path, and neither hidden nor `..`.
fn is_segment(segment: &str) -> bool {
    is_plain(segment, "._~%-") && !segment.starts_with('.')
}

/// The CA to believe.
fn ca(asked: &OpenAttestation) -> Result<CaRef, Invalid> {
    const TLS: &str = "spec.openAttestation.tls";
    let ca = asked.tls.ca_ref.as_ref();
    let ca = ca.ok_or_else(|| TRUST_ANCHOR.broken(TLS, "neither"))?;
    reference("spec.openAttestation.tls.caRef", &ca.name, &ca.key)?;
    Ok(ca.clone())
}

/// Checks the name and the key of a Secret or ConfigMap.
fn reference(field: &str, name: &str, key: &str) -> Result<(), Invalid> {
    OBJECT_NAME.check(is_object_name(name), &format!("{field}.name"), name)?;
    DATA_KEY.check(is_data_key(key), &format!("{field}.key"), key)
}

/// A number from 1 to `most`.
fn count(field: &str, number: u32, most: u32) -> Result<usize, Invalid> {
    let size = usize::try_from(number).ok();
    let size = size.filter(|_| (1..=most).contains(&number));
    size.ok_or_else(|| Invalid::new(field, number, format_args!("must be from 1 to {most}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration as Length;

    use serde_json::json;

    use super::*;
    use crate::api::attestation_service::CaKind;
    use crate::api::decode;

    /// A service at `url` and `path`.
    fn service(url: &str, path: &str) -> AttestationService {
        let object = json!({
            "apiVersion": "trustpool.dev/v1alpha1",
            "kind": "AttestationService",
            "metadata": {"name": "oat"},
            "spec": {"openAttestation": {
                "url": url,
                "path": path,
                "auth": {"secretRef": {"name": "oat-auth"}},
                "tls": {"caRef": {"kind": "ConfigMap", "name": "oat-ca"}},
            }},
        });
        decode(&object).unwrap()
    }

    #[test]
    fn what_is_not_said_is_as_documented() {
        let service = service("https://oat:8443", "/AttestationService/resources");

        let url = "https://oat:8443/AttestationService/resources";
        let connection = Connection {
            name: "oat".into(),
            url: url.parse().unwrap(),
            dialect: Dialect::V2,
            auth: Some(Auth {
                header: HeaderName::from_static("x-auth-blob"),
                secret: "oat-auth".to_owned(),
                key: "auth-blob".to_owned(),
            }),
            ca: CaRef {
                kind: CaKind::ConfigMap,
                name: "oat-ca".to_owned(),
                key: "ca.crt".to_owned(),
            },
            deadlines: Deadlines {
                connect: Length::from_secs(5),
                read: Length::from_secs(75),
                total: Length::from_secs(90),
            },
            max_skew: SignedDuration::from_mins(2),
        };
        let planned = Service {
            name: "oat".into(),
            url: url.to_owned(),
            first: 10,
            next: 20,
            max_in_flight: 4,
        };
        assert_eq!(Connection::try_from(&service), Ok(connection));
        assert_eq!(Service::try_from(&service), Ok(planned));
    }

    #[test]
    fn one_service_has_one_spelling() {
        let table = [
            ("https://oat.example.org", "/a/b"),
            ("https://oat.example.org/", "/a/b/"),
            ("https://OAT.example.org:443", "/a/b"),
            ("HTTPS://oat.example.org", "/a/b"),
        ];
        for (base, path) in table {
            let service = Service::try_from(&service(base, path));
            let url = service.map(|service| service.url);
            assert_eq!(
                url,
                Ok("https://oat.example.org/a/b".to_owned()),
                "{base} {path}"
            );
        }
    }
    #[test]
    fn credentials_in_a_url_are_not_repeated() {
        for base in ["https://admin:canary@canary@oat", "http://admin:canary@oat"] {
            let refused = Connection::try_from(&service(base, "/a")).unwrap_err();

            assert!(!refused.to_string().contains("canary"), "{refused}");
            assert_eq!(refused.value, "oat");
        }
    }
}
