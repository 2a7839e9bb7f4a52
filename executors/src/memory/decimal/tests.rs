use super::*;

fn d(s: &str) -> Decimal {
    parse(s).unwrap()
}

/// Exponents follow IEEE 754: the lower one of a sum, the sum of them for a product, the ideal one of a quotient.
#[test]
fn exact_operations_keep_exponents() {
    for (got, want) in [
        (add(d("0.10"), d("0.2")), "0.30"),
        (sub(d("1.25"), d("1.25")), "0.00"),
        (mul(d("1.50"), d("2.0")), "3.000"),
        (
            div(d("1.25"), d("7")),
            "0.1785714285714285714285714285714286",
        ),
        (div(d("1.25"), d("2.5")), "0.5"),
        (
            div(d("9223372036854775807"), d("1.25")),
            "7378697629483820645.6",
        ),
        (rem(d("-3.9"), d("1.25")), "-0.15"),
        (rem(d("1E+40"), d("7")), "4"),
        (
            add(d("1E+100"), d("1")),
            "1.000000000000000000000000000000000E+100",
        ),
        (
            add(d("9999999999999999999999999999999999"), d("0.5")),
            "1.000000000000000000000000000000000E+34",
        ),
        (
            add(d("-2E+60"), d("-2269407276101936115354663947.13566")),
            "-2.000000000000000000000000000000002E+60",
        ),
        (
            sub(d("7E+3"), d("-6.33167516636633731598322121797124E-8")),
            "7000.000000063316751663663373159832",
        ),
        (
            sub(d("1E+100"), d("1E-100")),
            "1.000000000000000000000000000000000E+100",
        ),
        (div(d("1"), d("0")), "Infinity"),
        (div(d("0"), d("0")), "NaN"),
        (mul(d("9E+6144"), d("10")), "Infinity"),
        (quantize(d("2.345"), 2, Rounding::HalfEven), "2.34"),
        (quantize(d("7"), 2, Rounding::HalfEven), "7.00"),
        (quantize(d("-1.21"), 1, Rounding::Floor), "-1.3"),
        (quantize(d("1234"), -2, Rounding::Down), "1.2E+3"),
        (from_f64(0.1), "0.100000000000000"),
        (from_f64(2.5), "2.50000000000000"),
        (from_f64_exact(2.5), "2.5"),
        (from_f64_exact(1e15), "1000000000000000"),
    ] {
        assert_eq!(got.to_string(), want);
    }
}

/// Thirty-four digits of the functions, against published values.
#[test]
fn functions_have_34_digits() {
    for (f, x, want) in [
        (Function::Sqrt, "2", "1.414213562373095048801688724209698"),
        (Function::Sqrt, "6.25", "2.5"),
        (Function::Ln, "2", "0.6931471805599453094172321214581766"),
        (Function::Exp, "1", "2.718281828459045235360287471352662"),
        (
            Function::Log10,
            "1.25",
            "0.09691001300805641435878331582652092",
        ),
        (Function::Log10, "100", "2"),
        (
            Function::Sin,
            "1E+100",
            "-0.3723761236612766882620866955531643",
        ),
        (Function::Asin, "1", "1.570796326794896619231321691639751"),
        (
            Function::ToRadians,
            "1",
            "0.01745329251994329576923690768488613",
        ),
    ] {
        assert_eq!(apply(f, d(x)).to_string(), want, "{f:?} {x}");
    }
    assert_eq!(pow(d("2"), d("3")).to_string(), "8");
    assert_eq!(pow(d("-2"), d("3")).to_string(), "-8");
    assert!(pow(d("-2"), d("0.5")).is_nan());
}

/// What is no number is refused, not read as zero.
#[test]
fn text_is_checked() {
    for bad in ["", " 1", "1 ", "abc", "0x1A", "1e", "--1", ".", "1.2.3"] {
        assert_eq!(parse(bad).unwrap_err(), ParseError::Malformed, "{bad:?}");
    }
    assert_eq!(parse("1E+7000").unwrap_err(), ParseError::OutOfRange);
    assert_eq!(d("+5").to_string(), "5");
    assert_eq!(d(".5").to_string(), "0.5");
}
