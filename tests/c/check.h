/* Checks for the C and C++ test programs. */
#ifndef SLEEVE_TESTS_CHECK_H
#define SLEEVE_TESTS_CHECK_H

#include <sleeve/sleeve.h>

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                        \
    do {                                                                                                        \
        if (!(condition)) {                                                                                     \
            fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition);                       \
            exit(1);                                                                                            \
        }                                                                                                       \
    } while (0)

/* A call must return this status, and a failure must set a message. */
#define EXPECT(expected, call)                                                                                  \
    do {                                                                                                        \
        const sleeve_status status_ = (call);                                                                   \
        if (status_ != (expected)) {                                                                            \
            char message_[512];                                                                                 \
            sleeve_last_error(message_, sizeof message_);                                                       \
            fprintf(stderr, "%s:%d: %s\n  returned '%s' (%s), not '%s'\n", __FILE__, __LINE__, #call,           \
                    sleeve_status_name(status_), message_, sleeve_status_name(expected));                       \
            exit(1);                                                                                            \
        }                                                                                                       \
    } while (0)
#define OK(call) EXPECT(SLEEVE_STATUS_OK, call)
#define NULL_POINTER(call) EXPECT(SLEEVE_STATUS_NULL_POINTER, call)
#define INVALID(call) EXPECT(SLEEVE_STATUS_INVALID_ARGUMENT, call)

#endif
