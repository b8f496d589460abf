/* Writes every output of a model and its heads for a recording: outputs RECORDING FOLDER MODEL [HEAD...]
 *
 * FOLDER/INDEX.f32 has the values of output INDEX. For each, a line: model, tensor, what its values are, values a row. */
#include "check.h"

#include <string.h>

int main(int argc, char **argv) {
    sleeve_model *model = NULL;
    sleeve_options *options = NULL;
    sleeve_extractor *extractor = NULL;
    sleeve_analysis *analysis = NULL;

    CHECK(argc >= 4);
    OK(sleeve_model_open(argv[3], &model));
    CHECK(!sleeve_model_is_head(model) && sleeve_model_front_end(model) != NULL);
    CHECK(sleeve_model_sample_rate(model) > 0 && sleeve_model_patch_hop(model) > 0);
    OK(sleeve_options_new(&options));
    OK(sleeve_options_set_threads(options, 1));
    for (int index = 4; index < argc; ++index) {
        sleeve_model *head = NULL;
        OK(sleeve_model_open(argv[index], &head));
        CHECK(sleeve_model_is_head(head) && sleeve_model_front_end(head) == NULL);
        OK(sleeve_options_add_head(options, head));
        sleeve_model_free(head);
    }
    OK(sleeve_extractor_new(model, options, &extractor));
    OK(sleeve_extractor_run_file(extractor, argv[1], &analysis));
    for (size_t index = 0; index < sleeve_extractor_output_count(extractor); ++index) {
        sleeve_purpose purpose = SLEEVE_PURPOSE_OTHER;
        const float *values = NULL;
        const size_t rows = sleeve_analysis_patch_count(analysis);
        size_t dim = 0, declared = 0;
        char path[4096];

        OK(sleeve_extractor_output(extractor, index, &purpose, &declared));
        OK(sleeve_analysis_output(analysis, index, &values, &dim));
        CHECK(dim == declared && rows > 0);
        snprintf(path, sizeof path, "%s/%zu.f32", argv[2], index);
        FILE *file = fopen(path, "wb");
        CHECK(file != NULL && fwrite(values, sizeof *values, rows * dim, file) == rows * dim);
        CHECK(fclose(file) == 0);
        printf("%s\t%s\t%s\t%zu\n", sleeve_extractor_output_model(extractor, index),
               sleeve_extractor_output_tensor(extractor, index), sleeve_extractor_output_meaning(extractor, index), dim);
    }
    sleeve_analysis_free(analysis);
    sleeve_extractor_free(extractor);
    sleeve_options_free(options);
    sleeve_model_free(model);
    return 0;
}
