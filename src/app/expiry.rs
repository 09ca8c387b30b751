//! When does a certificate expire? Read from its DER (RFC 5280 section 4.1), for nobody else tells.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// When the first of the certificates in `pem` expires; `None` where there is none that can be read.
///
/// Nothing is proved here: whether TLS can use the certificates is asked elsewhere.
pub(super) fn first_expiry(pem: &[u8]) -> Option<Timestamp> {
    CertificateDer::pem_slice_iter(pem).filter_map(|found| not_after(&found.ok()?)).min()
}

fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = inside(SEQUENCE, certificate)?;
    let (to_be_signed, _) = inside(SEQUENCE, certificate)?;
    let rest = inside(VERSION, to_be_signed).map_or(to_be_signed, |(_, rest)| rest);
    let (_serial, rest) = element(rest)?;
    let (_algorithm, rest) = element(rest)?;
    let (_issuer, rest) = element(rest)?;
    let (validity, _) = inside(SEQUENCE, rest)?;
    let (_not_before, not_after) = element(validity)?;
    let ((tag, text), _) = element(not_after)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// RFC 5280 section 4.1.2.5: two digits of a year from 50 on are of the last century.
fn time(tag: u8, text: &str) -> Option<Timestamp> {
    let text = match tag {
        GENERALIZED_TIME => text.to_owned(),
        UTC_TIME if text < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    // The last second of the year 9999, which stands for "never", lies behind the end of `Timestamp`.
    Some(time.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |time| time.timestamp()))
}

/// The content of the first element, if it has this tag, and what follows it.
fn inside(wanted: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let ((tag, content), rest) = element(der)?;
    (tag == wanted).then_some((content, rest))
}

/// A tag and its content.
type Element<'a> = (u8, &'a [u8]);

/// The first element, and what follows it.
fn element(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(((tag, content), rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::{first_expiry, not_after};

    fn certificate(year: i32) -> rcgen::Certificate {
        let mut params = CertificateParams::new(vec!["keyward.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1990, 1, 1);
        params.not_after = date_time_ymd(year, 2, 3);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    #[test]
    fn the_end_is_read_from_both_forms_of_time() {
        for (year, expected) in
            [(1999, "1999-02-03T00:00:00Z"), (2031, "2031-02-03T00:00:00Z"), (2051, "2051-02-03T00:00:00Z")]
        {
            assert_eq!(not_after(certificate(year).der()).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn of_several_certificates_the_first_to_expire_counts() {
        let chain = [certificate(2040), certificate(2030), certificate(2050)].map(|one| one.pem()).concat();
        assert_eq!(first_expiry(chain.as_bytes()).unwrap().to_string(), "2030-02-03T00:00:00Z");
        assert_eq!(first_expiry(b"no certificate"), None);
    }

    #[test]
    fn what_is_cut_short_has_no_end() {
        let whole = certificate(2031);
        for length in 0..whole.der().len() {
            assert_eq!(not_after(&whole.der()[..length]), None, "{length}");
        }
    }
}
