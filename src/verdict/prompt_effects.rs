//! The effects of one comparison on each prompt.
//!
//! Owns how they are stored. Must not know what an effect measures. Invariant: comparisons of the same prompts share their ids;
//! an effect takes 8 bytes, because many prompts, candidates and metrics have as many.

use std::sync::Arc;

/// The effect on each prompt that took part, in the order of the prompts.
#[derive(Debug, Clone, Default)]
pub struct EffectByPrompt {
    ids: Arc<[Arc<str>]>,
    /// One per id; NaN of a prompt that did not take part.
    effects: Arc<[f64]>,
}

impl EffectByPrompt {
    /// The effects on the prompts at these indices of `ids`; an effect is never NaN.
    pub fn new(ids: &Arc<[Arc<str>]>, effects: impl IntoIterator<Item = (usize, f64)>) -> Self {
        let mut by_prompt = vec![f64::NAN; ids.len()];
        for (index, effect) in effects {
            by_prompt[index] = effect;
        }
        Self {
            ids: Arc::clone(ids),
            effects: by_prompt.into(),
        }
    }

    /// The effects, with the ids of their prompts.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, f64)> {
        let effects = self.ids.iter().zip(self.effects.iter().copied());
        effects.filter(|(_, effect)| !effect.is_nan())
    }

    /// The ids of the prompts that could take part; comparisons of the same prompts share one list.
    pub const fn ids(&self) -> &Arc<[Arc<str>]> {
        &self.ids
    }

    /// The effect on the prompt at an index of [`EffectByPrompt::ids`].
    pub fn at(&self, index: usize) -> Option<f64> {
        let effect = self.effects.get(index).copied();
        effect.filter(|effect| !effect.is_nan())
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Returns true if there is none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl PartialEq for EffectByPrompt {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl FromIterator<(Arc<str>, f64)> for EffectByPrompt {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, f64)>>(effects: I) -> Self {
        let (ids, effects): (Vec<_>, Vec<_>) = effects.into_iter().unzip();
        Self {
            ids: ids.into(),
            effects: effects.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_those_of_the_prompts_that_took_part_whatever_list_of_ids_they_share() {
        // A comparison of some prompts of a run equals one that holds no others.
        let ids: Arc<[Arc<str>]> = ["a", "b", "c"].map(Arc::from).into();
        let of_run = EffectByPrompt::new(&ids, [(0, 1.5), (2, 0.5)]);
        let alone: EffectByPrompt = [("a".into(), 1.5), ("c".into(), 0.5)].into_iter().collect();
        assert_eq!(of_run, alone);
        assert_eq!((of_run.len(), of_run.is_empty()), (2, false));
        assert!(EffectByPrompt::new(&ids, []).is_empty());
    }
}
