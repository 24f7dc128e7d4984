/* anomalies.h - pyrdiff likelihood --against: images of two data sets, told apart by how probable a run says they are. */
#ifndef PYR_CLI_LIKELIHOOD_ANOMALIES_H
#define PYR_CLI_LIKELIHOOD_ANOMALIES_H

#include "base/json.h"
#include "cascade/image_likelihood.h"
#include "cascade/roc.h"
#include "terminal/progress.h"

/* A score for each image: log p, or with a background run log p - log p_background (Ren et al. 2019, "Likelihood ratios for
 * out-of-distribution detection"). */
typedef struct pyr_told_apart {
    double *in, *out; /* [n_in], [n_out]; owned */
    pyr_roc_point *curve;
    size_t points;
    double area; /* probability that of one image of each set that of the first has the larger score */
} pyr_told_apart;

typedef struct pyr_anomalies {
    const char *against, *background, *plot; /* "": none; borrowed */
    int n_in, n_out;
    pyr_mean log_p;                /* of the other data set */
    pyr_told_apart by_p, by_ratio; /* by_ratio: with a background */
} pyr_anomalies;

/* After `job` gave the log p of its own images in in[n]: those of the images of `against`, read as `config` says for the
 * run's data and brought to their size, and the curves; with a background run the same of that. `config` is the run's. Fails
 * as likelihoods do. The caller frees it, on failure too. */
pyr_status pyr_anomalies_find(pyr_anomalies *a, const pyr_likelihood_job *job, const pyr_config *config,
                              const double *in, pyr_bar *bar);
void pyr_anomalies_free(pyr_anomalies *a);

void pyr_anomalies_print(const pyr_anomalies *a);
void pyr_anomalies_json(const pyr_anomalies *a, pyr_json *json); /* the members "against" and "roc" */
/* The curves as SVG into a->plot, unless that is "". */
pyr_status pyr_anomalies_plot(const pyr_anomalies *a);

#endif
