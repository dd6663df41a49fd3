//! The certificate authorities of Amazon's databases. No system trusts them, and no image would have them: so that an Aurora
//! cluster is used as securely as any other server without a file to fetch, they are part of the program.

/// Amazon's authorities for RDS and Aurora, region by region.
const AMAZON_RDS: &str = include_str!("../../roots/amazon-rds.pem");

/// Where these servers have their names: `cluster.id.REGION.rds.amazonaws.com`.
const DOMAIN: &str = ".rds.amazonaws.com";

/// The authorities that may have signed the certificate of this server, in PEM; `None` for any other server, and for regions
/// that are newer than our list.
pub(super) fn of_server(host: &str) -> Option<String> {
    let region = host.strip_suffix(DOMAIN)?.rsplit('.').next()?;
    let title = format!("# Amazon RDS {region} Root CA ");
    let of_region = AMAZON_RDS.split("\n\n").filter(|block| block.starts_with(&title));
    let pem: Vec<&str> = of_region.filter_map(|block| block.split_once('\n')).map(|(_, pem)| pem.trim_end()).collect();
    if pem.is_empty() { None } else { Some(pem.join("\n")) }
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn a_server_of_amazons_has_the_three_authorities_of_its_region() {
        let pem = of_server("bell.cluster-c1x.eu-central-1.rds.amazonaws.com").unwrap();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        assert_eq!(roots.len(), 3);
        // What the driver takes for certificates and not for a file's name.
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----") && pem.ends_with("-----END CERTIFICATE-----"));
    }

    #[test]
    fn every_certificate_of_the_list_can_be_used() {
        let mut roots = RootCertStore::empty();
        let all: Vec<_> = CertificateDer::pem_slice_iter(AMAZON_RDS.as_bytes()).collect::<Result<_, _>>().unwrap();
        assert_eq!(roots.add_parsable_certificates(all), (27 * 3, 0));
    }

    #[test]
    fn another_server_has_none() {
        for host in [
            "db.example.com",
            "rds.amazonaws.com",
            "db.eu-central-1.rds.amazonaws.com.example.com",
            "db.mars-north-1.rds.amazonaws.com",
            "localhost",
        ] {
            assert_eq!(of_server(host), None, "{host}");
        }
    }
}
