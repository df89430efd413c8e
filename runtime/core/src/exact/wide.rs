//! A fixed-point number with a bit for every power of two that a float can have, and headroom for sums of at least 2^63 floats.

/// Bit 0 is 2^-1074, the smallest float; the largest float has bit 2097; the bits above are for carries (at least 63) and the
/// sign.
const LIMBS: usize = 34;

/// The number, in two's complement; infinities and NaN are kept apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Wide {
    limbs: [u64; LIMBS],
    /// Zero, or the value that the sum has whatever is added to its bits: an infinity or NaN.
    special: f64,
}

impl Default for Wide {
    fn default() -> Self {
        Self { limbs: [0; LIMBS], special: 0.0 }
    }
}

impl Wide {
    /// Adds a float.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.special += value;
            return;
        }
        let bits = value.to_bits();
        let (exponent, fraction) = ((bits >> 52 & 0x7FF) as usize, bits & ((1 << 52) - 1));
        let (mantissa, shift) = if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        let parts = u128::from(mantissa) << (shift % 64);
        let parts = [parts as u64, (parts >> 64) as u64];
        let limbs = &mut self.limbs[shift / 64..];
        let mut carry = false;
        for (index, limb) in limbs.iter_mut().enumerate() {
            let part = parts.get(index).copied().unwrap_or(0);
            if index >= parts.len() && !carry {
                break;
            }
            (*limb, carry) = if value < 0.0 { borrowing(*limb, part, carry) } else { carrying(*limb, part, carry) };
        }
    }

    /// Adds a number.
    pub fn add_wide(&mut self, other: &Self) {
        self.special += other.special;
        let mut carry = false;
        for (limb, &part) in self.limbs.iter_mut().zip(&other.limbs) {
            (*limb, carry) = carrying(*limb, part, carry);
        }
    }

    /// The nearest float.
    pub fn value(&self) -> f64 {
        self.average(1)
    }

    /// The number divided by `count`, rounded to the nearest float.
    pub fn average(&self, count: u64) -> f64 {
        if self.special != 0.0 {
            return self.special;
        }
        if count == 0 {
            return f64::NAN;
        }
        let (is_negative, mut size) = self.magnitude();
        let mut rest = 0_u128;
        for limb in size.iter_mut().rev() {
            let part = rest << 64 | u128::from(*limb);
            *limb = (part / u128::from(count)) as u64;
            rest = part % u128::from(count);
        }
        let positive = rounded(&size, rest * 2, u128::from(count));
        if is_negative { -positive } else { positive }
    }

    fn magnitude(&self) -> (bool, [u64; LIMBS]) {
        let is_negative = self.limbs[LIMBS - 1] >> 63 == 1;
        if !is_negative {
            return (false, self.limbs);
        }
        let mut carry = true;
        (
            true,
            self.limbs.map(|limb| {
                let negated;
                (negated, carry) = carrying(!limb, 0, carry);
                negated
            }),
        )
    }

    /// A hash: equal numbers have equal hashes.
    pub fn hash(&self) -> u64 {
        self.limbs
            .iter()
            .fold(self.special.to_bits(), |hash, limb| (hash ^ limb).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29))
    }

    /// Whether both are the same to the last bit.
    pub fn is_same(&self, other: &Self) -> bool {
        self.limbs == other.limbs && self.special.to_bits() == other.special.to_bits()
    }

    /// The number as bytes: the special value, then the limbs, all little endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        std::iter::once(&self.special.to_bits()).chain(&self.limbs).flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Reads the bytes of [`Wide::to_bytes`]; `None` if they are something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut words = bytes.chunks_exact(8).map(|word| word.try_into().map(u64::from_le_bytes));
        let special = f64::from_bits(words.next()?.ok()?);
        let limbs: Vec<u64> = words.collect::<Result<_, _>>().ok()?;
        Some(Self { limbs: limbs.try_into().ok()?, special })
    }
}

fn carrying(one: u64, other: u64, carry: bool) -> (u64, bool) {
    let (sum, first) = one.overflowing_add(other);
    let (sum, second) = sum.overflowing_add(u64::from(carry));
    (sum, first || second)
}

fn borrowing(one: u64, other: u64, borrow: bool) -> (u64, bool) {
    let (difference, first) = one.overflowing_sub(other);
    let (difference, second) = difference.overflowing_sub(u64::from(borrow));
    (difference, first || second)
}

/// The float nearest to a number plus `twice_rest / 2 / of` of its lowest bit, ties to even.
fn rounded(size: &[u64; LIMBS], twice_rest: u128, of: u128) -> f64 {
    let bit = |place: usize| size[place / 64] >> (place % 64) & 1;
    let top = (0..LIMBS).rev().find(|&limb| size[limb] != 0).map(|limb| limb * 64 + 63 - size[limb].leading_zeros() as usize);
    let Some(top) = top.filter(|&top| top >= 53) else {
        // The bits are those of the float as they stand, subnormal or not.
        let up = twice_rest > of || (twice_rest == of && size[0] & 1 == 1);
        return f64::from_bits(size[0] + u64::from(up));
    };
    let (lowest, guard) = (top - 52, top - 53);
    let (limb, shift) = (lowest / 64, lowest % 64);
    let next = size.get(limb + 1).copied().unwrap_or(0);
    let mantissa = ((u128::from(next) << 64 | u128::from(size[limb])) >> shift) as u64 & ((1 << 53) - 1);
    let is_below =
        |place: usize| (0..place / 64).any(|limb| size[limb] != 0) || size[place / 64] & ((1 << (place % 64)) - 1) != 0;
    let up = bit(guard) == 1 && (mantissa & 1 == 1 || twice_rest != 0 || is_below(guard));
    let exponent = (lowest + 1) as u64;
    let bits = (exponent << 52) + (mantissa - (1 << 52)) + u64::from(up);
    let greatest = f64::MAX.to_bits();
    if bits > greatest { f64::INFINITY } else { f64::from_bits(bits) }
}
