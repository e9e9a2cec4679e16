// Distributions of Boost.Math, and the two elementary functions that gates need beside them.
//
// Nothing here throws and nothing keeps state: an answer is either a finite number, or `failed` says that there is none
// (an argument outside the function's domain, or an evaluation that did not converge).
#pragma once
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    double value;
    bool failed;
} cstatistics_answer;

// P(Z > z), Z standard normal.
cstatistics_answer cstatistics_normal_above(double z);
// z with P(Z < z) = p, 0 < p < 1.
cstatistics_answer cstatistics_normal_quantile(double p);

// P(T > t), T Student's with `freedom` > 0 degrees.
cstatistics_answer cstatistics_student_above(double t, double freedom);
// t with P(T < t) = p, 0 < p < 1.
cstatistics_answer cstatistics_student_quantile(double p, double freedom);

// P(X >= count), X binomial of `trials` with `share`.
cstatistics_answer cstatistics_binomial_at_least(int64_t count, int64_t trials, double share);

// P(X >= count), X the marked ones among `drawn` of `total` that hold `marked`, drawn without putting back.
cstatistics_answer cstatistics_hypergeometric_at_least(int64_t count, int64_t drawn, int64_t marked, int64_t total);

cstatistics_answer cstatistics_log(double x);
cstatistics_answer cstatistics_exp(double x);

#ifdef __cplusplus
}
#endif
