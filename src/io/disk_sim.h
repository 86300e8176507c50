/* Inside the simulated world: a disk's names and contents (disk_sim.c), under the calls of file_sim.c. */
#ifndef LEVERET_IO_DISK_SIM_H
#define LEVERET_IO_DISK_SIM_H

#include "io/file.h"
#include "io/sim_inside.h"

/* A write or a change of size that is not on the medium yet. */
struct sim_pending {
    struct list link;
    uint64_t offset;
    size_t len; /* 0: the size becomes `offset` */
    uint8_t data[];
};

struct sim_image {
    uint8_t *data;
    uint64_t size, capacity;
};

struct sim_inode {
    unsigned holds; /* names in both views, pending operations, open files */
    bool is_directory;
    uint64_t modified_ms;
    struct sim_image now;    /* what the process sees */
    struct sim_image medium; /* what a crash cannot take */
    struct list pending;     /* struct sim_pending, oldest first */
    struct file *locked_by;
};

struct sim_name {
    char *path;
    struct sim_inode *inode;
};

/* Names in order of their bytes. */
struct sim_names {
    struct sim_name *names;
    size_t count, capacity;
};

/* A directory operation: `from` goes (NULL: nothing goes), `to` appears (NULL: nothing does). */
struct sim_dir_op {
    struct list link;
    char *from, *to;
    struct sim_inode *inode; /* what appears */
};

struct sim_disk {
    struct io_world *node;
    struct sim_names now, medium;
    struct list dir_ops; /* not on the medium yet, oldest first */
    struct list files;   /* open ones */
    struct sim_disk_faults faults;
    uint64_t operations, operations_at_faults;
    bool is_down; /* since the operation at which it crashed, until the node's processes have ended */
};

struct file {
    struct sim_disk *disk; /* NULL: the node has crashed */
    struct list in_disk;
    struct sim_inode *inode;
    unsigned flags;
};

/* Simplified: no double or trailing slashes. To be freed. */
char *sim_path(const char *path);
struct sim_inode *sim_names_find(const struct sim_names *names, const char *path);
/* The path's directory exists. The root and the current directory always do. */
bool sim_disk_has_parent(const struct sim_disk *d, const char *path);
bool sim_is_inside(const char *path, const char *dir, bool directly);
struct sim_inode *sim_inode_new(struct sim_disk *d, bool is_directory);
void sim_inode_drop(struct sim_inode *inode);
void sim_inode_write(struct sim_disk *d, struct sim_inode *inode, const void *data, size_t len,
                     uint64_t offset);
void sim_inode_resize(struct sim_disk *d, struct sim_inode *inode, uint64_t size);
void sim_inode_sync(struct sim_inode *inode);
/* The pending part looks written and never will be: what a failed sync can leave behind. */
void sim_inode_forget(struct sim_inode *inode);
/* Changes the names, durable with the next sync of the directories that it touches. */
void sim_disk_change(struct sim_disk *d, const char *from, const char *to, struct sim_inode *inode);
void sim_disk_sync_dir(struct sim_disk *d, const char *dir);
uint64_t sim_disk_used(const struct sim_disk *d);
/* The node is down, or those who ask are what is left of a process that a crash has ended. */
bool sim_disk_is_down(const struct sim_disk *d);
/* Counts an operation; the fault that it meets, or ERR_OK. A crash at it clears f->disk of all open files. */
enum err sim_disk_fault(struct sim_disk *d);

#endif
