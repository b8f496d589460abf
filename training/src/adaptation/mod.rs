//! Adapts a model to a collection: a linear map after its embeddings, learnt from editorial metadata.
//!
//! If a collection is too small to train a network on, the associations of the paper can still show which directions of
//! a trained network's embeddings matter. The differences between tracks that belong together (section 3 of the
//! paper) lie in directions that do not depend on what the tracks share. The map shrinks these directions, so that the
//! others separate tracks that do not belong together. This is relevant component analysis (Bar-Hillel, Hertental,
//! Shental and Weinshall, ICML 2003), known in speaker recognition as within-class covariance normalisation (Hatch and
//! Stolcke, ICASSP 2006), with the pairs of all four associations, weighted as in the multi-task objective (section
//! 4.6).
//!
//! The map is `z = L^-1 (x - m)`: `m` is the mean over the tracks, and `L L^T` the covariance of half the difference of
//! two tracks that belong together, plus a share of the mean variance on its diagonal (shrinkage). Without shrinkage,
//! directions for which there is little data would be amplified. Since the map is linear, the mean of adapted
//! embeddings is the adapted mean.
//!
//! The embeddings may be another layer of the network than its own, such as the pooled features that its dense layer takes:
//! their scales differ, so they are brought to a deviation of 1 first. Of their many directions those are kept in which
//! the tracks differ most.
//!
//! [`prepare`] chooses the layer and the level, [`scatter`] measures the differences, and [`graph`] writes the map into the
//! model's file.

pub mod graph;
pub mod prepare;
pub mod scatter;

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, Axis};

use crate::error::{Error, Result};
use crate::evaluation::retrieval::collection::Collection;
use crate::pairs::Association;
use scatter::Scatter;

/// The options for learning a map.
#[derive(Clone, Debug)]
pub struct Options {
    /// The weight of each association.
    pub weights: Vec<(Association, f64)>,
    /// The share of the mean variance of an embedding's value that is added to the variances.
    pub shrinkage: f64,
    /// Whether the values are brought to a deviation of 1 first.
    pub standardise: bool,
    /// The number of values of an adapted embedding, those in which tracks differ most; as many as before if `None`.
    pub dimensions: Option<usize>,
}

impl Default for Options {
    /// The weights of the multi-task model of the paper.
    fn default() -> Self {
        let weights = [
            (Association::Track, 0.1),
            (Association::Release, 0.15),
            (Association::Artist, 0.6),
            (Association::Label, 0.15),
        ];
        Options { weights: weights.to_vec(), shrinkage: 0.3, standardise: false, dimensions: None }
    }
}

impl Options {
    /// Refuses what embeddings of so many values do not have.
    ///
    /// # Errors
    /// If more values, or none, are to be kept.
    pub fn check(&self, values: usize) -> Result<()> {
        if self.dimensions.is_none_or(|kept| (1..=values).contains(&kept)) {
            return Ok(());
        }
        Err(Error::InvalidArgument(format!("dimensions must be from 1 to {values}")))
    }
}

/// A linear map of embeddings.
#[derive(Clone, Debug)]
pub struct Adaptation {
    /// `[adapted values, values]`: each row makes one value of the adapted embedding.
    pub map: Array2<f64>,
    /// The mean embedding, which is subtracted first.
    pub mean: Array1<f64>,
    /// For each association, the number of tracks that have a partner.
    pub anchors: Vec<(Association, u64)>,
}

/// The embeddings of the tracks of a collection.
pub struct Embedded {
    /// The mean embedding of each track, `[tracks, dimensions]`.
    pub means: Array2<f64>,
    /// The covariance of the embeddings of a track's patches, averaged over tracks.
    pub within: Array2<f64>,
}

/// Learns the map.
///
/// # Errors
/// `InvalidArgument` for invalid weights or shrinkage, and for embeddings that are all the same or contain NaN;
/// `Nothing` if no two tracks belong together by an association with a weight.
pub fn learn(collection: &Collection, embedded: &Embedded, options: &Options) -> Result<Adaptation> {
    let &Options { ref weights, shrinkage, standardise, dimensions: kept } = options;
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    if weights.iter().any(|(_, weight)| !(0.0..=1e6).contains(weight)) || total <= 0.0 {
        return Err(Error::InvalidArgument("weights must be 0 or more, and one of them above 0".into()));
    }
    if !(shrinkage > 0.0 && shrinkage <= 1e6) {
        return Err(Error::InvalidArgument("the shrinkage must be above 0".into()));
    }
    if standardise {
        let (scales, embedded) = standardised(embedded);
        let adaptation = learn(collection, &embedded, &Options { standardise: false, ..options.clone() })?;
        let map = adaptation.map / &scales;
        return Ok(Adaptation { map, mean: adaptation.mean * &scales, ..adaptation });
    }
    let Embedded { means, within } = embedded;
    let (tracks, dimensions) = means.dim();
    options.check(dimensions)?;
    let mean = means.mean_axis(Axis(0)).ok_or_else(|| Error::InvalidArgument("there is no track".into()))?;
    let mut sum = Array2::zeros((dimensions, dimensions));
    let mut anchors = Vec::new();
    for &(association, weight) in weights.iter().filter(|(_, weight)| *weight > 0.0) {
        let scatter = match association {
            Association::Track => Scatter { covariance: within.clone(), anchors: tracks as u64 },
            _ => Scatter::of(collection, association, means),
        };
        if scatter.anchors == 0 {
            let name = association.name();
            let reason =
                format!("no two of its {tracks} tracks belong together by {name}; give it the weight 0");
            return Err(Error::InvalidArgument(reason));
        }
        sum.scaled_add(weight / total, &scatter.covariance);
        anchors.push((association, scatter.anchors));
    }
    let variance = means.var_axis(Axis(0), 0.0).mean().unwrap_or(0.0);
    if !(variance > 0.0 && variance.is_finite()) {
        return Err(Error::InvalidArgument(
            "the embeddings of all tracks are the same, or contain NaN".into(),
        ));
    }
    sum.diag_mut().mapv_inplace(|value| value + shrinkage * variance);
    let mut map = inverse_factor(&sum)
        .ok_or_else(|| Error::InvalidArgument("the embeddings do not vary enough to learn from".into()))?;
    if let Some(kept) = kept {
        map = principal(&(means - &mean).dot(&map.t()), kept).dot(&map);
    }
    Ok(Adaptation { map, mean, anchors })
}

impl Adaptation {
    /// The bias that is added after the map: `-map mean`.
    pub fn bias(&self) -> Array1<f64> {
        -self.map.dot(&self.mean)
    }

    /// The adapted embedding.
    pub fn apply(&self, embedding: &Array1<f64>) -> Array1<f64> {
        self.map.dot(&(embedding - &self.mean))
    }
}

/// The deviation of each value over all patches, and the embeddings divided by it. A constant value stays as it is.
fn standardised(embedded: &Embedded) -> (Array1<f64>, Embedded) {
    let Embedded { means, within } = embedded;
    let variances = means.var_axis(Axis(0), 0.0) + within.diag();
    let scales = variances.mapv(|variance| if variance > 1e-12 { variance.sqrt() } else { 1.0 });
    let columns = scales.view().insert_axis(Axis(1));
    let within = &(within / &scales) / &columns;
    let means = means / &scales;
    (scales, Embedded { means, within })
}

/// The directions `[kept, values]` in which rows of mean zero vary most, the first most of all. The largest component of
/// each is positive, so that the result does not depend on how they were found.
fn principal(rows: &Array2<f64>, kept: usize) -> Array2<f64> {
    let covariance = rows.t().dot(rows);
    let size = covariance.nrows();
    let found = DMatrix::from_fn(size, size, |row, column| covariance[[row, column]]).symmetric_eigen();
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| found.eigenvalues[b].total_cmp(&found.eigenvalues[a]));
    let sign = |direction: usize| {
        let column = found.eigenvectors.column(direction);
        column.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).map_or(1.0, f64::signum)
    };
    let signs: Vec<f64> = order.iter().map(|&direction| sign(direction)).collect();
    Array2::from_shape_fn((kept, size), |(row, value)| signs[row] * found.eigenvectors[(value, order[row])])
}

/// `L^-1` of a symmetric positive definite matrix `L L^T`; `None` if the matrix is not positive definite or contains
/// NaN.
fn inverse_factor(matrix: &Array2<f64>) -> Option<Array2<f64>> {
    let (size, _) = matrix.dim();
    let factor = DMatrix::from_fn(size, size, |row, column| matrix[[row, column]]).cholesky()?.unpack();
    if factor.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let inverse = factor.solve_lower_triangular(&DMatrix::identity(size, size))?;
    Some(Array2::from_shape_fn((size, size), |at| inverse[at]))
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::evaluation::retrieval::collection::{Held, Track};
    use crate::features::Content;
    use crate::links::Links;
    use crate::pairs::{ExcludedPairs, TrackMetadata};

    /// Values of an embedding: the first six depend on the artist; the last is much larger and does not.
    const VALUES: usize = 7;

    /// Twenty artists of two releases of four tracks.
    fn collection() -> (Collection, Embedded) {
        let track = |at: usize| Track {
            path: at.to_string(),
            content: Content::from_hex(&format!("{at:064x}")).expect("64 digits"),
        };
        let artist = |at: usize| [at as u32 / 8];
        let metadata = TrackMetadata {
            releases: Links::from_lists((0..160).map(|at| [at as u32 / 4]), 40),
            artists: Links::from_lists((0..160).map(artist), 20),
            labels: Links::from_lists((0..160).map(|at| [at as u32 / 32]), 5),
        };
        let tracks = (0..160).map(track).collect();
        let collection = Collection::new(tracks, metadata, ExcludedPairs::default(), Held::default());
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        let of_artist = Array2::from_shape_simple_fn((20, VALUES), || random.random_range(-1.0..1.0));
        let means = Array2::from_shape_fn((160, VALUES), |(at, value)| match value + 1 {
            VALUES => 5.0 + random.random_range(-4.0..4.0),
            _ => 2.0 + of_artist[[at / 8, value]] + random.random_range(-0.1..0.1),
        });
        (collection, Embedded { means, within: Array2::eye(VALUES) * 0.01 })
    }

    fn same_artist(collection: &Collection, vectors: &Array2<f64>) -> f64 {
        use crate::evaluation::retrieval::ranking::{normalise, rank};
        let mut vectors = vectors.mapv(|value| value as f32);
        normalise(&mut vectors);
        let outcomes = rank(collection, Association::Artist, vectors.view(), vectors.view());
        outcomes.iter().map(|one| one.figures.values[0]).sum::<f64>() / outcomes.len() as f64
    }

    /// The embeddings with each value multiplied by another factor.
    fn scaled(embedded: &Embedded) -> Embedded {
        let factors = Array1::from_shape_fn(VALUES, |value| 10f64.powi(value as i32 - 3));
        let columns = factors.view().insert_axis(Axis(1));
        Embedded { means: &embedded.means * &factors, within: &(&embedded.within * &factors) * &columns }
    }

    #[test]
    fn standardised_values_have_no_scale_and_few_dimensions_keep_what_tracks_differ_in() {
        let (collection, embedded) = collection();
        let artists = |embedded: &Embedded, options: &Options| {
            let adaptation = learn(&collection, embedded, options).unwrap();
            assert_eq!(adaptation.map.dim(), (options.dimensions.unwrap_or(VALUES), VALUES));
            let adapted = (&embedded.means - &adaptation.mean).dot(&adaptation.map.t());
            assert!(adapted.mean_axis(Axis(0)).unwrap().iter().all(|mean| mean.abs() < 1e-9));
            (same_artist(&collection, &adapted), adapted)
        };
        let options = Options { shrinkage: 0.01, standardise: true, ..Options::default() };
        let (_, one) = artists(&embedded, &options);
        let (found, other) = artists(&scaled(&embedded), &options);
        assert!((one - other).iter().all(|difference| difference.abs() < 1e-9));
        assert!(found > 0.95, "{found}");
        // Six values depend on the artist: five of seven nearly suffice, and cosines stay with all.
        let (few, _) = artists(&embedded, &Options { dimensions: Some(5), ..options.clone() });
        let (one_alone, _) = artists(&embedded, &Options { dimensions: Some(1), ..options.clone() });
        assert!(few > 0.9 && one_alone < few - 0.2, "{few}, {one_alone}");
        for dimensions in [0, VALUES + 1] {
            let wrong = Options { dimensions: Some(dimensions), ..options.clone() };
            assert!(learn(&collection, &embedded, &wrong).is_err());
        }
    }

    #[test]
    fn what_says_nothing_is_shrunk_and_artists_are_found() {
        let (collection, embedded) = collection();
        let plain = same_artist(&collection, &embedded.means);
        let options = Options { shrinkage: 0.01, ..Options::default() };
        let adaptation = learn(&collection, &embedded, &options).unwrap();
        let mut adapted = embedded.means.clone();
        for mut row in adapted.rows_mut() {
            let one = adaptation.apply(&row.to_owned());
            row.assign(&one);
        }
        let better = same_artist(&collection, &adapted);
        println!("same artist: {plain:.3} -> {better:.3}");
        assert!(plain < 0.6 && better > 0.95, "{plain} -> {better}");
        assert!(adapted.mean_axis(Axis(0)).unwrap().iter().all(|mean| mean.abs() < 1e-9));
        let bias = adaptation.map.dot(&embedded.means.row(5)) + adaptation.bias();
        assert!((bias - adapted.row(5)).iter().all(|error| error.abs() < 1e-9));
        let anchors: Vec<u64> = adaptation.anchors.iter().map(|one| one.1).collect();
        assert_eq!(anchors, [160; 4]);
    }

    #[test]
    fn what_cannot_be_learnt_is_said() {
        let (collection, embedded) = collection();
        let with = |weights: &[(Association, f64)], shrinkage: f64| {
            let options = Options { weights: weights.to_vec(), shrinkage, ..Options::default() };
            learn(&collection, &embedded, &options).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(with(&[(Association::Release, 0.0)], 0.1).contains("weights"));
        assert!(with(&[(Association::Release, -1.0)], 0.1).contains("weights"));
        assert!(with(&[(Association::Release, f64::NAN)], 0.1).contains("weights"));
        assert!(with(&[(Association::Release, 1.0)], 0.0).contains("shrinkage"));
        let alone = collection.select(&[0, 1, 40]);
        let means = embedded.means.select(Axis(0), &[0, 1, 40]);
        let few = Embedded { means, within: embedded.within.clone() };
        let error = learn(&alone, &few, &Options::default()).unwrap_err().to_string();
        assert!(error.contains("3 tracks belong together by artist"), "{error}");
        let same = Embedded { means: Array2::ones((160, VALUES)), within: Array2::zeros((VALUES, VALUES)) };
        assert!(learn(&collection, &same, &Options::default()).unwrap_err().to_string().contains("the same"));
    }

    #[test]
    fn the_factor_whitens() {
        let size = 40;
        let root = Array2::from_shape_fn((size, size), |(i, j)| ((i * 7 + j * j * 3) % 11) as f64 - 5.0);
        let matrix = root.dot(&root.t()) + Array2::<f64>::eye(size);
        let inverse = inverse_factor(&matrix).unwrap();
        let white = inverse.dot(&matrix).dot(&inverse.t());
        let error =
            (&white - &Array2::<f64>::eye(size)).iter().fold(0.0f64, |most, value| most.max(value.abs()));
        assert!(error < 1e-9, "{error}");
        assert!((0..size).all(|i| (i + 1..size).all(|j| inverse[[i, j]] == 0.0)), "lower triangle");
    }

    #[test]
    fn what_has_no_factor_is_told() {
        assert!(inverse_factor(&Array2::zeros((3, 3))).is_none());
        assert!(inverse_factor(&Array2::from_elem((2, 2), f64::NAN)).is_none());
        assert!(inverse_factor(&Array2::from_elem((1, 1), f64::INFINITY)).is_none());
        let indefinite = ndarray::array![[1.0, 2.0], [2.0, 1.0]];
        assert!(inverse_factor(&indefinite).is_none());
    }
}
