use super::*;

fn zone(records: Vec<(&str, RecordData)>) -> DnsPlan {
    let record = |(name, data): (&str, RecordData)| RecordPlan {
        name: name.into(),
        ttl: 300,
        data,
    };
    DnsPlan {
        listen: Vec::new(),
        zones: vec![ZonePlan {
            name: "foobar.com".into(),
            serial: 7,
            primary: "ns1.foobar.com".into(),
            mailbox: "hostmaster.foobar.com".into(),
            negative_ttl: 60,
            records: records.into_iter().map(record).collect(),
        }],
    }
}

fn address() -> RecordData {
    RecordData::A([8, 8, 8, 8].into())
}

fn refused(records: Vec<(&str, RecordData)>) -> String {
    match catalog(&zone(records)) {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    }
}

fn sets(plan: &DnsPlan) -> BTreeMap<RrKey, RecordSet> {
    let origin = name(&plan.zones[0].name).unwrap();
    record_sets(&plan.zones[0], &origin).unwrap()
}

#[test]
fn every_zone_has_a_start_of_authority_and_a_name_server() {
    let sets = sets(&zone(vec![("www.foobar.com", address())]));
    let of = |kind| {
        let key = RrKey::new(LowerName::from(name("foobar.com").unwrap()), kind);
        sets[&key].record().unwrap().to_string()
    };
    assert_eq!(
        of(RecordType::SOA),
        "foobar.com. 60 IN SOA ns1.foobar.com. hostmaster.foobar.com. 7 3600 600 1209600 60"
    );
    assert_eq!(of(RecordType::NS), "foobar.com. 60 IN NS ns1.foobar.com.");
}

#[test]
fn name_servers_of_the_plan_are_the_zones() {
    let plan = zone(vec![
        ("foobar.com", RecordData::Ns("ns1.foobar.com".into())),
        ("foobar.com", RecordData::Ns("ns2.foobar.com".into())),
    ]);
    let key = RrKey::new(LowerName::from(name("foobar.com").unwrap()), RecordType::NS);
    assert_eq!(sets(&plan)[&key].records_count(), 2);
}

#[test]
fn every_type_is_taken() {
    let long = "x".repeat(300);
    let plan = zone(vec![
        ("foobar.com", RecordData::Mx(10, "mail.foobar.com".into())),
        ("foobar.com", RecordData::Txt(long)),
        (
            "foobar.com",
            RecordData::Caa(0, "issue".into(), "letsencrypt.org".into()),
        ),
        (
            "_sip._tcp.foobar.com",
            RecordData::Srv(1, 2, 5060, "sip.foobar.com".into()),
        ),
        (
            "foobar.com",
            RecordData::Aaaa("2001:db8::1".parse().unwrap()),
        ),
        (
            "blog.foobar.com",
            RecordData::Cname("elsewhere.example".into()),
        ),
    ]);
    let shown: Vec<String> = sets(&plan)
        .values()
        .map(|set| set.record().unwrap().to_string())
        .collect();
    let has = |wanted: &str| shown.iter().any(|record| record.contains(wanted));
    assert!(has("MX 10 mail.foobar.com."), "{shown:#?}");
    assert!(has("CAA 0 issue \"letsencrypt.org\""), "{shown:#?}");
    assert!(has("SRV 1 2 5060 sip.foobar.com."), "{shown:#?}");
    assert!(has("AAAA 2001:db8::1"), "{shown:#?}");
    assert!(has("CNAME elsewhere.example."), "{shown:#?}");
    assert!(catalog(&plan).is_ok());
}

#[test]
fn what_contradicts_itself_is_refused() {
    assert_eq!(
        refused(vec![("www.other.com", address())]),
        "`www.other.com` is not in the zone `foobar.com`"
    );
    let alias = || RecordData::Cname("www.foobar.com".into());
    let crowded = "`blog.foobar.com` has a CNAME record, which allows no other record of that name";
    assert_eq!(
        refused(vec![
            ("blog.foobar.com", alias()),
            ("BLOG.foobar.com", address())
        ]),
        crowded
    );
    assert_eq!(
        refused(vec![
            ("blog.foobar.com", alias()),
            ("blog.foobar.com", alias())
        ]),
        crowded
    );
    assert!(refused(vec![("foobar.com", alias())]).contains("`foobar.com` has a CNAME"));
    assert_eq!(
        refused(vec![("a..foobar.com", address())]),
        "`a..foobar.com` is not a domain name"
    );
    let caa = RecordData::Caa(0, "issue".into(), "a\" \"b".into());
    assert!(refused(vec![("foobar.com", caa)]).contains("`foobar.com` is not allowed"));
    let mut twice = zone(Vec::new());
    twice.zones.push(twice.zones[0].clone());
    assert!(catalog(&twice).is_err());
}
