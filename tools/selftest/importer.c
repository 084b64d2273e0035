// SPDX-License-Identifier: GPL-2.0
/*
 * A device that uses dma-bufs in all the ways in which drivers do, one step at a
 * time: for igt-tests/movgem_importer. Which of the kernel's own drivers map what
 * they import, and when, differs from version to version.
 *
 * Each open file of /dev/movgem_importer imports one dma-buf. Commands are
 * written to it:
 *
 *   attach FD static|dynamic   map    vmap      begin
 *   detach                     unmap  vunmap    end
 *   notified
 *
 * "notified" fails with EAGAIN unless the exporter has told of a move since the
 * last "map". pread() and pwrite() at 4096 and up reach the memory by the addresses
 * of "map", or else through "vmap"; if it has moved since "map" they fail with
 * ESTALE. What has not been undone is when the file is closed.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/iosys-map.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

struct import {
	struct mutex lock;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	struct iosys_map vmap;
	bool vmapped;
	bool access;
	/* By the dma_resv. */
	bool notified;
};

static struct platform_device *pdev;

static void notify(struct dma_buf_attachment *attach)
{
	struct import *import = attach->importer_priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	import->notified = true;
}

/* The member is called invalidate_mappings since Linux 7.1. It is the last. */
static const struct dma_buf_attach_ops dynamic_ops = {
	false, notify,
};

static int do_attach(struct import *import, int fd, bool dynamic)
{
	if (import->attach)
		return -EBUSY;
	import->dmabuf = dma_buf_get(fd);
	if (IS_ERR(import->dmabuf))
		return PTR_ERR(import->dmabuf);

	import->attach = dma_buf_dynamic_attach(import->dmabuf, &pdev->dev,
						dynamic ? &dynamic_ops : NULL,
						import);
	if (IS_ERR(import->attach)) {
		int ret = PTR_ERR(import->attach);

		import->attach = NULL;
		dma_buf_put(import->dmabuf);
		return ret;
	}
	return 0;
}

static int do_map(struct import *import)
{
	struct sg_table *sgt;

	if (import->sgt)
		return -EBUSY;
	dma_resv_lock(import->dmabuf->resv, NULL);
	sgt = dma_buf_map_attachment(import->attach, DMA_BIDIRECTIONAL);
	if (!IS_ERR(sgt)) {
		import->sgt = sgt;
		import->notified = false;
	}
	dma_resv_unlock(import->dmabuf->resv);
	return PTR_ERR_OR_ZERO(sgt);
}

static int do_unmap(struct import *import)
{
	if (!import->sgt)
		return -EINVAL;
	dma_buf_unmap_attachment_unlocked(import->attach, import->sgt,
					  DMA_BIDIRECTIONAL);
	import->sgt = NULL;
	return 0;
}

static int do_vmap(struct import *import)
{
	int ret;

	if (import->vmapped)
		return -EBUSY;
	ret = dma_buf_vmap_unlocked(import->dmabuf, &import->vmap);
	import->vmapped = !ret;
	return ret;
}

static int do_vunmap(struct import *import)
{
	if (!import->vmapped)
		return -EINVAL;
	dma_buf_vunmap_unlocked(import->dmabuf, &import->vmap);
	import->vmapped = false;
	return 0;
}

static int do_begin(struct import *import)
{
	int ret;

	if (import->access)
		return -EBUSY;
	ret = dma_buf_begin_cpu_access(import->dmabuf, DMA_BIDIRECTIONAL);
	import->access = !ret;
	return ret;
}

static int do_end(struct import *import)
{
	if (!import->access)
		return -EINVAL;
	import->access = false;
	return dma_buf_end_cpu_access(import->dmabuf, DMA_BIDIRECTIONAL);
}

static int do_notified(struct import *import)
{
	bool notified;

	dma_resv_lock(import->dmabuf->resv, NULL);
	notified = import->notified;
	dma_resv_unlock(import->dmabuf->resv);
	return notified ? 0 : -EAGAIN;
}

static int do_detach(struct import *import)
{
	do_end(import);
	do_vunmap(import);
	do_unmap(import);
	dma_buf_detach(import->dmabuf, import->attach);
	import->attach = NULL;
	dma_buf_put(import->dmabuf);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct import *import);
} commands[] = {
	{ "map", do_map },
	{ "unmap", do_unmap },
	{ "vmap", do_vmap },
	{ "vunmap", do_vunmap },
	{ "begin", do_begin },
	{ "end", do_end },
	{ "notified", do_notified },
	{ "detach", do_detach },
};

static int run(struct import *import, const char *line)
{
	char kind[8];
	int fd;

	if (sscanf(line, "attach %d %7s", &fd, kind) == 2) {
		if (strcmp(kind, "static") && strcmp(kind, "dynamic"))
			return -EINVAL;
		return do_attach(import, fd, !strcmp(kind, "dynamic"));
	}
	for (int i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(line, commands[i].name))
			return import->attach ? commands[i].run(import) : -EINVAL;
	return -EINVAL;
}

static int importer_open(struct inode *inode, struct file *file)
{
	struct import *import = kzalloc(sizeof(*import), GFP_KERNEL);

	if (!import)
		return -ENOMEM;
	mutex_init(&import->lock);
	file->private_data = import;
	return 0;
}

static int importer_release(struct inode *inode, struct file *file)
{
	struct import *import = file->private_data;

	if (import->attach)
		do_detach(import);
	mutex_destroy(&import->lock);
	kfree(import);
	return 0;
}

static ssize_t command(struct import *import, const char __user *ubuf,
		       size_t len)
{
	char *line;
	int ret;

	if (len > 64)
		return -EINVAL;
	line = memdup_user_nul(ubuf, len);
	if (IS_ERR(line))
		return PTR_ERR(line);
	ret = run(import, line);
	kfree(line);
	return ret ?: len;
}

/* The piece of memory at an offset, as far as it is in one. */
static void *find(struct import *import, u64 pos, size_t *len)
{
	struct scatterlist *sg;
	int i;

	if (!import->sgt && import->vmapped)
		return import->vmap.vaddr + pos;
	if (!import->sgt)
		return NULL;
	for_each_sgtable_dma_sg(import->sgt, sg, i) {
		if (pos < sg_dma_len(sg)) {
			*len = min_t(u64, *len, sg_dma_len(sg) - pos);
			/* Without an IOMMU they are the same. */
			return phys_to_virt(sg_dma_address(sg)) + pos;
		}
		pos -= sg_dma_len(sg);
	}
	return NULL;
}

/*
 * A buffer that has moved is not there any more. The exporter holds the dma_resv
 * while it tells us, and waits for us to be through.
 */
static int copy(struct import *import, void *data, size_t len, u64 pos,
		bool write)
{
	int ret = 0;

	dma_resv_lock(import->dmabuf->resv, NULL);
	if (import->sgt && import->notified)
		ret = -ESTALE;
	for (size_t done = 0; done < len && !ret;) {
		size_t part = len - done;
		void *memory = find(import, pos + done, &part);

		if (!memory)
			ret = -ENODATA;
		else if (write)
			memcpy(memory, data + done, part);
		else
			memcpy(data + done, memory, part);
		done += part;
	}
	dma_resv_unlock(import->dmabuf->resv);
	return ret;
}

static ssize_t transfer(struct import *import, char __user *ubuf, size_t len,
			u64 pos, bool write)
{
	void *data;
	int ret = 0;

	if (!import->attach)
		return -EINVAL;
	if (pos >= import->dmabuf->size)
		return 0;
	len = min_t(u64, len, import->dmabuf->size - pos);
	data = kvmalloc(len, GFP_KERNEL);
	if (!data)
		return -ENOMEM;

	/* Not with the dma_resv held: a fault may need it. */
	if (write && copy_from_user(data, ubuf, len))
		ret = -EFAULT;
	if (!ret)
		ret = copy(import, data, len, pos, write);
	if (!ret && !write && copy_to_user(ubuf, data, len))
		ret = -EFAULT;
	kvfree(data);
	return ret ?: len;
}

/* Where the memory begins; before that are commands. */
#define MEMORY	4096

static ssize_t importer_write(struct file *file, const char __user *ubuf,
			      size_t len, loff_t *pos)
{
	struct import *import = file->private_data;
	ssize_t ret;

	mutex_lock(&import->lock);
	if (*pos < MEMORY)
		ret = command(import, ubuf, len);
	else
		ret = transfer(import, (char __user *)ubuf, len, *pos - MEMORY, true);
	mutex_unlock(&import->lock);
	return ret;
}

static ssize_t importer_read(struct file *file, char __user *ubuf, size_t len,
			     loff_t *pos)
{
	struct import *import = file->private_data;
	ssize_t ret = -EINVAL;

	mutex_lock(&import->lock);
	if (*pos >= MEMORY)
		ret = transfer(import, ubuf, len, *pos - MEMORY, false);
	mutex_unlock(&import->lock);
	return ret;
}

static const struct file_operations importer_fops = {
	.owner = THIS_MODULE,
	.open = importer_open,
	.release = importer_release,
	.read = importer_read,
	.write = importer_write,
	.llseek = noop_llseek,
};

static struct miscdevice importer_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "movgem_importer",
	.fops = &importer_fops,
};

static int __init importer_init(void)
{
	int ret;

	pdev = platform_device_register_simple("movgem-importer",
					       PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	ret = dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (!ret)
		ret = misc_register(&importer_misc);
	if (ret)
		platform_device_unregister(pdev);
	return ret;
}
module_init(importer_init);

static void __exit importer_exit(void)
{
	misc_deregister(&importer_misc);
	platform_device_unregister(pdev);
}
module_exit(importer_exit);

MODULE_DESCRIPTION("Imports dma-bufs as told, to test exporters");
MODULE_LICENSE("GPL");
/* MODULE_IMPORT_NS() takes a string on some kernels and a name on others. */
MODULE_INFO(import_ns, "DMA_BUF");
