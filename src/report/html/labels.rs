//! Places for the names of marks: beside them, without covering anything.
//!
//! Owns the search for a free place. Must not know what the marks mean. Invariant: a label lies within the bounds
//! where it fits there at all, and covers no earlier label if there is a free place.

/// A rectangle of a drawing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

/// A label at its place: the baseline's start, and the end of the line that leads to its mark, if any.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PlacedLabel {
    /// Left end of the text.
    pub(super) x: f64,
    /// Baseline of the text.
    pub(super) y: f64,
    /// The end of a line from the mark to a label that stands apart.
    pub(super) leader: Option<(f64, f64)>,
}

/// Height of a line of text.
const LINE: f64 = 15.0;
/// Distance of a label from the centre of its mark.
const DISTANCE: f64 = 12.0;

impl Area {
    /// The area around a straight line that is parallel to an axis, or around a point.
    pub(super) const fn around((x1, y1): (f64, f64), (x2, y2): (f64, f64), margin: f64) -> Self {
        Self {
            left: x1.min(x2) - margin,
            top: y1.min(y2) - margin,
            right: x1.max(x2) + margin,
            bottom: y1.max(y2) + margin,
        }
    }

    fn overlap(&self, other: &Self) -> f64 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        if width > 0.0 && height > 0.0 {
            width * height
        } else {
            0.0
        }
    }

    fn contains(&self, other: &Self) -> bool {
        other.left >= self.left
            && other.right <= self.right
            && other.top >= self.top
            && other.bottom <= self.bottom
    }
}

/// Finds a place for the label of the mark at `(x, y)`, and adds it to what later labels must not cover.
pub(super) fn place(
    (x, y): (f64, f64),
    width: f64,
    bounds: &Area,
    taken: &mut Vec<Area>,
) -> PlacedLabel {
    let half = width / 2.0;
    let mut choices = vec![
        (x + DISTANCE, y + 4.0, false),
        (x - DISTANCE - width, y + 4.0, false),
        (x - half, y - DISTANCE, false),
        (x - half, y + DISTANCE + 9.0, false),
        // Beside the arms of a cross.
        (x + 8.0, y - 8.0, false),
        (x + 8.0, y + 17.0, false),
        (x - 8.0 - width, y - 8.0, false),
        (x - 8.0 - width, y + 17.0, false),
    ];
    for step in [26.0, 42.0, 58.0] {
        for rise in [-step, step + 9.0] {
            for side in [DISTANCE / 2.0, -half, -width - DISTANCE / 2.0] {
                choices.push((x + side, y + rise, true));
            }
        }
    }
    let area = |&(left, baseline, _): &(f64, f64, bool)| Area {
        left,
        top: baseline - LINE + 3.0,
        right: left + width,
        bottom: baseline + 3.0,
    };
    let cost = |choice: &(f64, f64, bool)| {
        let area = area(choice);
        let covered: f64 = taken.iter().map(|other| area.overlap(other)).sum();
        let outside = if bounds.contains(&area) { 0.0 } else { 1e6 };
        covered + outside
    };
    // The first of the best: nearer places come first.
    let mut best = choices[0];
    let mut best_cost = cost(&best);
    for choice in &choices[1..] {
        let cost = cost(choice);
        if cost < best_cost {
            (best, best_cost) = (*choice, cost);
        }
    }
    let found = area(&best);
    taken.push(found);
    let (left, baseline, apart) = best;
    let end = (
        x.clamp(left, left + width),
        if baseline < y {
            found.bottom
        } else {
            found.top
        },
    );
    PlacedLabel {
        x: left,
        y: baseline,
        leader: apart.then_some(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_near_marks_do_not_cover_each_other() {
        // Five models at nearly the same place are all named.
        let bounds = Area {
            left: 0.0,
            top: 0.0,
            right: 400.0,
            bottom: 300.0,
        };
        let mut taken = Vec::new();
        for index in 0..5 {
            place((200.0 + f64::from(index), 150.0), 80.0, &bounds, &mut taken);
        }
        for (index, one) in taken.iter().enumerate() {
            assert!(bounds.contains(one));
            for other in &taken[..index] {
                assert!(one.overlap(other) <= 0.0, "{one:?} {other:?}");
            }
        }
    }
}
