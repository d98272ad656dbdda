use super::*;
use proptest::prelude::*;

fn pair(chain: &str, address: &str) -> PairName {
    PairName::new(chain, address).unwrap()
}

fn raw(codec: &KeyCodec, key: &'static str) -> (String, String) {
    codec.pair(&codec.key_from_bytes(Bytes::from_static(key.as_bytes()), 0))
}

#[test]
fn a_pair_lives_in_the_codecs_database_and_exact_bytes_in_the_one_named() {
    let codec = KeyCodec::default().with_database(3);
    let key = codec.key(&pair("eth", "weth"));
    assert_eq!((key.database(), codec.clone().database()), (3, 3));
    let elsewhere = codec.key_from_bytes(key.bytes().clone(), 5);
    assert_eq!(elsewhere.database(), 5);
}

#[test]
fn a_pair_becomes_the_key_of_the_template_in_lower_case() {
    let codec = KeyCodec::default();
    let key = codec.key(&pair("Ethereum", "0xAbC"));
    assert_eq!(key.bytes(), "price:ethereum:0xabc");
    assert_eq!(key.database(), 0);
    assert_eq!(codec.chain_name(key.chain()), "ethereum");
    assert_eq!(codec.pair(&key), ("ethereum".into(), "0xabc".into()));
}

#[test]
fn only_the_canonical_key_is_read_as_a_pair() {
    let codec = KeyCodec::default();
    let chain_of = |key: &'static str| {
        let key = codec.key_from_bytes(Bytes::from_static(key.as_bytes()), 0);
        codec.chain_name(key.chain())
    };
    assert_eq!(chain_of("price:ethereum:foo"), "ethereum");
    for odd in [
        "price:Ethereum:foo",
        "price:ethereum:Foo",
        "PRICE:ethereum:foo",
        "price:ethereum",
        "price::foo",
        "price:ethereum:",
        "price:eth%65reum:foo",
        "price:eth%3Aeum:foo",
        "price:eth%3:foo",
        "price:eth%+1:foo",
        "other:ethereum:foo",
        "",
    ] {
        assert_eq!(chain_of(odd), "default", "{odd}");
        assert_eq!(raw(&codec, odd), ("default".into(), odd.into()));
    }
    let binary = codec.key_from_bytes(Bytes::from_static(b"price:eth:\xff"), 3);
    assert_eq!(binary.chain(), ChainId::DEFAULT);
    assert_eq!(binary.database(), 3);
    assert_eq!(binary.bytes().as_ref(), b"price:eth:\xff");
    assert_eq!(codec.pair(&binary).1, "price:eth:\u{fffd}");
}

#[test]
fn keys_that_differ_in_case_are_two_keys() {
    let codec = KeyCodec::default();
    let key = |b: &'static [u8]| codec.key_from_bytes(Bytes::from_static(b), 0);
    assert_ne!(key(b"price:ethereum:Foo"), key(b"price:ethereum:foo"));
    assert_eq!(
        key(b"price:ethereum:foo"),
        codec.key(&pair("ETHEREUM", "FOO"))
    );
}

#[test]
fn a_chain_with_the_separator_in_it_keeps_its_own_key() {
    let codec = KeyCodec::default();
    let one = codec.key(&pair("a:b", "c"));
    let other = codec.key(&pair("a", "b:c"));
    assert_eq!(one.bytes(), "price:a%3ab:c");
    assert_eq!(other.bytes(), "price:a:b:c");
    assert_eq!(codec.pair(&one), ("a:b".into(), "c".into()));
    assert_eq!(codec.pair(&other), ("a".into(), "b:c".into()));
    assert_eq!(codec.key(&pair("a%3ab", "c")).bytes(), "price:a%253ab:c");
}

#[test]
fn templates_may_lack_the_chain_put_it_last_or_in_a_hash_tag() {
    let bare = KeyCodec::new("px/{address}").unwrap();
    let key = bare.key(&pair("ethereum", "0xA"));
    assert_eq!(key.bytes(), "px/0xa");
    assert_eq!(key.chain(), ChainId::DEFAULT);
    assert_eq!(bare.pair(&key), ("default".into(), "0xa".into()));

    let last = KeyCodec::new("{address}::{chain}.v1").unwrap();
    let key = last.key(&pair("a:b", "x::y:"));
    assert_eq!(key.bytes(), "x::y:::a%3ab.v1");
    assert_eq!(last.pair(&key), ("a:b".into(), "x::y:".into()));

    let loud = KeyCodec::new("PX:{chain}:V1:{address}").unwrap();
    let key = loud.key(&pair("Base", "0xA"));
    assert_eq!(key.bytes(), "PX:base:V1:0xa");
    assert_eq!(loud.pair(&key), ("base".into(), "0xa".into()));

    let tagged = KeyCodec::new("price:{{chain}}:pair:{address}").unwrap();
    let key = tagged.key(&pair("base", "0xa"));
    assert_eq!(key.bytes(), "price:{base}:pair:0xa");
    assert_eq!(tagged.pair(&key), ("base".into(), "0xa".into()));
}

#[test]
fn a_bad_template_is_refused_with_its_text_and_the_reason() {
    let check = |template: &str, expected: &str| {
        let message = KeyCodec::new(template).unwrap_err().to_string();
        assert!(message.contains(&format!("{template:?}")), "{message}");
        assert!(message.contains(expected), "{template}: {message}");
    };
    check("price", "no {address}");
    check("", "no {address}");
    check("{address}{address}", "{address} more than once");
    check("{chain}:{chain}:{address}", "{chain} more than once");
    check("{chain}{address}", "separator");
    check("{chain}x{address}", "separator");
    check("{address}:%{chain}", "separator");
    check("{chian}:{address}", "unknown placeholder {chian}");
    check("a{{address}:{db}", "unknown placeholder {db}");
}

#[test]
fn clones_share_the_chains_and_names_past_the_limit_are_other() {
    let codec = KeyCodec::default();
    let clone = codec.clone();
    let id = codec.chain_id("Base");
    assert_eq!(clone.chain_id("base"), id);
    for n in 0..200 {
        clone.key(&pair(&format!("chain-{n}"), "x"));
    }
    assert_eq!(codec.chains().len(), Chains::LIMIT);
    assert_eq!(codec.chain_id("late"), ChainId::OTHER);
    let late = codec.key(&pair("late", "x"));
    assert_eq!(codec.pair(&late), ("late".into(), "x".into()));
}

proptest! {
    #[test]
    fn a_pair_survives_the_way_through_its_key(
        template in prop::sample::select(vec![
            "price:{chain}:{address}", "{address}:{chain}", "{chain}::{address}}", "p:{{chain}}{address}:s",
            "{address}-→{chain}",
        ]),
        chain in "([a-zA-Z:%{}→ΣİÄ0-9-]|\\PC){1,12}",
        address in "([a-zA-Z:%{}→Σ0-9-]|\\PC){1,12}",
    ) {
        let codec = KeyCodec::new(template).unwrap();
        let pair = PairName::new(&chain, &address).unwrap();
        let key = codec.key(&pair);
        let read = codec.pair(&key);
        prop_assert_eq!((read.0.as_str(), read.1.as_str()), (pair.chain(), pair.address()));
        let again = codec.key_from_bytes(key.bytes().clone(), 0);
        prop_assert_eq!(&again, &key);
        prop_assert_eq!(again.chain(), key.chain());
    }

    #[test]
    fn two_pairs_never_share_a_key(
        a in "[ab:%3]{1,5}", b in "[ab:%3]{1,5}", c in "[ab:%3]{1,5}", d in "[ab:%3]{1,5}",
    ) {
        let codec = KeyCodec::default();
        let (one, other) = (pair(&a, &b), pair(&c, &d));
        prop_assert_eq!(codec.key(&one) == codec.key(&other), one == other);
    }

    #[test]
    fn any_bytes_are_a_key_and_keep_to_the_byte(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let codec = KeyCodec::default();
        let key = codec.key_from_bytes(Bytes::from(bytes.clone()), 7);
        prop_assert_eq!(key.bytes().as_ref(), bytes.as_slice());
        prop_assert_eq!(key.chain(), ChainId::DEFAULT);
    }
}
