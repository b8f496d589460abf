/* A plugin of QEMU's user emulation: counts the instructions of a program, and among them the fused multiply-adds of
 * four single-precision lanes. The declarations are those of QEMU's plugin interface, version 1. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*translated)(plugin_id, struct qemu_plugin_tb *));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, void (*executed)(unsigned, void *),
                                                 int registers, void *data);
extern void qemu_plugin_register_atexit_cb(plugin_id id, void (*ended)(plugin_id, void *), void *data);
extern void qemu_plugin_outs(const char *text);

EXPORT int qemu_plugin_version = 1;

struct block {
    uint64_t instructions, multiply_adds;
};

static uint64_t instructions, multiply_adds;

/* FMLA and FMLS of four floats: by a vector, or by one lane of a vector. */
static int is_multiply_add(uint32_t code) {
    return (code & 0xff60fc00) == 0x4e20cc00 || (code & 0xffc0b400) == 0x4f801000;
}

static void executed(unsigned cpu, void *data) {
    const struct block *block = data;
    (void)cpu;
    __atomic_fetch_add(&instructions, block->instructions, __ATOMIC_RELAXED);
    __atomic_fetch_add(&multiply_adds, block->multiply_adds, __ATOMIC_RELAXED);
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb) {
    /* Never freed: the emulator may run a translation again at any time. */
    struct block *block = calloc(1, sizeof *block);
    (void)id;
    if (!block)
        abort();
    block->instructions = qemu_plugin_tb_n_insns(tb);
    for (size_t index = 0; index < block->instructions; index++) {
        uint32_t code;
        memcpy(&code, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, index)), sizeof code);
        block->multiply_adds += is_multiply_add(code);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, block);
}

static void ended(plugin_id id, void *data) {
    char text[96];
    (void)id;
    (void)data;
    snprintf(text, sizeof text, "counted %llu %llu\n", (unsigned long long)instructions,
             (unsigned long long)multiply_adds);
    qemu_plugin_outs(text);
}

EXPORT int qemu_plugin_install(plugin_id id, const struct qemu_info *info, int count, char **arguments) {
    (void)info;
    (void)count;
    (void)arguments;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
