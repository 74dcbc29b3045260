//! Address ranges, as a `NetworkPolicy` takes them since Kubernetes checks them strictly. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Checks an address range in CIDR form. The error continues a sentence that begins with the range.
///
/// # Errors
/// What is wrong with it, and what to write instead.
pub fn check(text: &str) -> Result<(), String> {
    let Some((address, length)) = text.split_once('/') else {
        return Err(match text.parse::<IpAddr>() {
            Ok(address) => format!("is one address and no range: write {address}/{}", bits(address)),
            Err(_) => no_range(),
        });
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return Err(if has_leading_zeros(address) {
            "has leading zeros in its address, which some programs read as octal numbers: write the address without them".to_owned()
        } else {
            no_range()
        });
    };
    let most = bits(address);
    let is_number = length.bytes().all(|digit| digit.is_ascii_digit()) && !is_padded(length);
    let Some(length) = length.parse::<u8>().ok().filter(|_| is_number) else {
        return Err(format!(
            "is no address range, because its prefix length is not a number from 0 to {most}: {EXAMPLE}"
        ));
    };
    if length > most {
        return Err(format!(
            "is no address range, because {length} is more than {most} bits: {EXAMPLE}"
        ));
    }
    if let IpAddr::V6(v6) = address
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        let inner = length.saturating_sub(128 - 32);
        return Err(format!(
            "is an IPv4 range in IPv6 form: write {}/{inner}",
            network(IpAddr::V4(v4), inner)
        ));
    }
    let network = network(address, length);
    if network != address {
        return Err(format!(
            "has address bits after its prefix length: write {network}/{length} or {address}/{most}"
        ));
    }
    Ok(())
}

/// True if every address of `inner` is in `outer`. False if one of them is no range.
pub fn contains(outer: &str, inner: &str) -> bool {
    let parse = |text: &str| {
        let (address, length) = text.split_once('/')?;
        Some((address.parse::<IpAddr>().ok()?, length.parse::<u8>().ok()?))
    };
    let (Some((outer, shorter)), Some((inner, longer))) = (parse(outer), parse(inner)) else {
        return false;
    };
    outer.is_ipv4() == inner.is_ipv4() && shorter <= longer && network(inner, shorter) == network(outer, shorter)
}

const EXAMPLE: &str = "write it like 203.0.113.0/24, or 203.0.113.5/32 for one address";

fn no_range() -> String {
    format!("is no address range: {EXAMPLE}")
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_padded(number: &str) -> bool {
    number.len() > 1 && number.starts_with('0')
}

fn has_leading_zeros(address: &str) -> bool {
    let parts: Vec<&str> = address.split('.').collect();
    parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok()) && parts.iter().any(|part| is_padded(part))
}

/// The address with every bit after the prefix cleared.
fn network(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_itself_and_what_is_smaller() {
        for (outer, inner, expected) in [
            ("0.0.0.0/0", "169.254.169.254/32", true),
            ("169.254.0.0/16", "169.254.169.254/32", true),
            ("169.254.169.254/32", "169.254.169.254/32", true),
            ("169.254.169.254/32", "169.254.0.0/16", false),
            ("169.254.170.0/24", "169.254.169.254/32", false),
            ("::/0", "169.254.169.254/32", false),
            ("fd00::/8", "fd00:ec2::254/128", true),
            ("", "10.0.0.0/8", false),
        ] {
            assert_eq!(contains(outer, inner), expected, "{outer} {inner}");
        }
    }

    #[test]
    fn a_range_that_a_network_policy_takes_is_taken() {
        for text in [
            "10.20.0.0/24",
            "10.20.0.5/32",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::/32",
            "2001:DB8:0:0::/64",
            "fd00:ec2::23/128",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_range_that_a_network_policy_refuses_is_answered_with_what_to_write() {
        for (text, words) in [
            ("10.20.0.5/24", "write 10.20.0.0/24 or 10.20.0.5/32"),
            ("192.168.1.77/0", "write 0.0.0.0/0 or 192.168.1.77/32"),
            ("2001:db8::1/64", "write 2001:db8::/64 or 2001:db8::1/128"),
            ("203.0.113.7", "write 203.0.113.7/32"),
            ("2001:db8::1", "write 2001:db8::1/128"),
            ("10.0.0.0/33", "33 is more than 32 bits"),
            ("::/129", "129 is more than 128 bits"),
            ("10.0.0.0/08", "not a number from 0 to 32"),
            ("10.0.0.0/+8", "not a number from 0 to 32"),
            ("10.0.0.0/", "not a number from 0 to 32"),
            ("10.0.0.0/999", "not a number from 0 to 32"),
            ("010.20.0.0/16", "leading zeros"),
            ("10.20.00.0/16", "leading zeros"),
            ("::ffff:10.20.0.0/112", "write 10.20.0.0/16"),
            ("smtp.example.edu", "is no address range"),
            ("10.0.0/24", "is no address range"),
            ("fe80::1%eth0/64", "is no address range"),
            ("", "is no address range"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
