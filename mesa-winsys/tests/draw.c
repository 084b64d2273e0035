// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Displays and contexts on each platform, and pictures that GPU and CPU draw
 * alike: colours are whole numbers below 256, for which 32 bit floats are exact.
 */
#include <drm_fourcc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "test.h"

#ifndef EGL_MESA_query_driver
typedef const char *(*PFNEGLGETDISPLAYDRIVERNAMEPROC)(EGLDisplay dpy);
#endif

static const char vertex_source[] =
	"attribute vec2 at;\n"
	"void main() { gl_Position = vec4(at, 0.0, 1.0); }\n";

static const char pattern_source[] =
	"precision highp float;\n"
	"uniform float seed;\n"
	"void main() {\n"
	"	vec2 p = floor(gl_FragCoord.xy);\n"
	"	vec3 c = vec3(p.x * 3.0 + p.y * 7.0 + seed,\n"
	"		      p.x + p.y * 5.0 + seed * 3.0, p.x * p.y + seed);\n"
	"	gl_FragColor = vec4(mod(c, 256.0), 255.0) / 255.0;\n"
	"}\n";

/* Counts each colour all the way around, so that it ends where it began. */
static const char heavy_source[] =
	"precision highp float;\n"
	"uniform float seed;\n"
	"uniform float step;\n"
	"void main() {\n"
	"	vec2 p = floor(gl_FragCoord.xy);\n"
	"	vec3 c = vec3(p.x * 3.0 + p.y * 7.0 + seed,\n"
	"		      p.x + p.y * 5.0 + seed * 3.0, p.x * p.y + seed);\n"
	"	for (int i = 0; i < 256; i++)\n"
	"		c = mod(c + step, 256.0);\n"
	"	gl_FragColor = vec4(c, 255.0) / 255.0;\n"
	"}\n";

static const char copy_source[] =
	"precision highp float;\n"
	"uniform sampler2D image;\n"
	"uniform vec2 size;\n"
	"uniform float add;\n"
	"void main() {\n"
	"	vec2 p = floor(gl_FragCoord.xy) + 0.5;\n"
	"	vec4 c = texture2D(image, vec2(p.x, size.y - p.y) / size);\n"
	"	c = floor(c * 255.0 + 0.5);\n"
	"	gl_FragColor = vec4(mod(c.rgb + add, 256.0), c.a) / 255.0;\n"
	"}\n";

static const char external_source[] =
	"#extension GL_OES_EGL_image_external : require\n"
	"precision highp float;\n"
	"uniform samplerExternalOES image;\n"
	"uniform vec2 size;\n"
	"void main() {\n"
	"	vec2 p = floor(gl_FragCoord.xy) + 0.5;\n"
	"	gl_FragColor = texture2D(image, p / size);\n"
	"}\n";

void *function(const char *name)
{
	void *address = (void *)eglGetProcAddress(name);

	if (!address)
		fail("there is no %s()", name);
	return address;
}

static GLuint compile(GLenum type, const char *source)
{
	GLuint shader = glCreateShader(type);
	char log[512] = "";
	GLint done;

	glShaderSource(shader, 1, &source, NULL);
	glCompileShader(shader);
	glGetShaderiv(shader, GL_COMPILE_STATUS, &done);
	if (!done) {
		glGetShaderInfoLog(shader, sizeof(log), NULL, log);
		fail("compiling a shader: %s", log);
	}
	return shader;
}

static GLuint link_program(const char *fragment)
{
	GLuint program = glCreateProgram();
	GLint done;

	glAttachShader(program, compile(GL_VERTEX_SHADER, vertex_source));
	glAttachShader(program, compile(GL_FRAGMENT_SHADER, fragment));
	glBindAttribLocation(program, 0, "at");
	glLinkProgram(program);
	glGetProgramiv(program, GL_LINK_STATUS, &done);
	check(done);
	return program;
}

/* The device of EGL's that is movgem's. */
static EGLDeviceEXT movgem_device(void)
{
	PFNEGLQUERYDEVICESEXTPROC query = function("eglQueryDevicesEXT");
	PFNEGLQUERYDEVICESTRINGEXTPROC string =
		function("eglQueryDeviceStringEXT");
	int card = open_card();
	char *path = drmGetDeviceNameFromFd2(card);
	EGLDeviceEXT devices[16];
	EGLint count;

	close(card);
	check(query(16, devices, &count));
	for (EGLint i = 0; i < count; i++) {
		const char *file = string(devices[i], EGL_DRM_DEVICE_FILE_EXT);

		if (file && !strcmp(file, path)) {
			free(path);
			return devices[i];
		}
	}
	fail("EGL has no device %s", path);
}

static EGLDisplay platform_display(struct gl *gl, enum platform platform)
{
	PFNEGLGETPLATFORMDISPLAYEXTPROC get =
		function("eglGetPlatformDisplayEXT");

	switch (platform) {
	case SURFACELESS:
		return get(EGL_PLATFORM_SURFACELESS_MESA,
			   EGL_DEFAULT_DISPLAY, NULL);
	case DEVICE:
		return get(EGL_PLATFORM_DEVICE_EXT, movgem_device(), NULL);
	default:
		gl->gbm = gbm_create_device(gl->fd);
		check(gl->gbm);
		return get(EGL_PLATFORM_GBM_KHR, gl->gbm, NULL);
	}
}

static void make_context(struct gl *gl)
{
	static const EGLint config_attributes[] = {
		EGL_SURFACE_TYPE, EGL_DONT_CARE,
		EGL_RENDERABLE_TYPE, EGL_OPENGL_ES2_BIT,
		EGL_NONE,
	};
	static const EGLint context_attributes[] = {
		EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE,
	};
	const char *rasterizer = getenv("GALLIUM_DRIVER");
	const char *renderer;
	EGLConfig config;
	EGLint count;

	check(eglBindAPI(EGL_OPENGL_ES_API));
	check(eglChooseConfig(gl->dpy, config_attributes, &config, 1, &count));
	check(count == 1);
	gl->ctx = eglCreateContext(gl->dpy, config, EGL_NO_CONTEXT,
				   context_attributes);
	if (gl->ctx == EGL_NO_CONTEXT)
		fail("eglCreateContext: 0x%x", eglGetError());
	gl_current(gl);

	renderer = (const char *)glGetString(GL_RENDERER);
	if (!strstr(renderer, rasterizer ? rasterizer : "on movgem"))
		fail("the renderer is \"%s\"", renderer);
	gl->pattern = link_program(pattern_source);
	gl->heavy = link_program(heavy_source);
	gl->copy = link_program(copy_source);
	if (strstr((const char *)glGetString(GL_EXTENSIONS),
		   "GL_OES_EGL_image_external"))
		gl->external = link_program(external_source);
}

static void gl_init(struct gl *gl, enum platform platform)
{
	PFNEGLGETDISPLAYDRIVERNAMEPROC driver_name;
	EGLint major, minor;
	const char *name;

	gl->dpy = platform_display(gl, platform);
	check(gl->dpy != EGL_NO_DISPLAY);
	if (!eglInitialize(gl->dpy, &major, &minor))
		fail("eglInitialize: 0x%x", eglGetError());
	driver_name = function("eglGetDisplayDriverName");
	name = driver_name(gl->dpy);
	if (!name || strcmp(name, "movgem"))
		fail("the driver is %s", name ? name : "unknown");
	make_context(gl);
}

void gl_open(struct gl *gl, enum platform platform)
{
	memset(gl, 0, sizeof(*gl));
	gl->fd = -1;
	if (platform == GBM_CARD)
		gl->fd = open_card();
	else if (platform == GBM_RENDER)
		gl->fd = open_render();
	gl_init(gl, platform);
}

void gl_open_fd(struct gl *gl, int fd)
{
	memset(gl, 0, sizeof(*gl));
	gl->fd = dup(fd);
	gl_init(gl, GBM_RENDER);
}

void gl_current(struct gl *gl)
{
	if (!eglMakeCurrent(gl->dpy, EGL_NO_SURFACE, EGL_NO_SURFACE, gl->ctx))
		fail("eglMakeCurrent: 0x%x", eglGetError());
}

void gl_close(struct gl *gl)
{
	eglMakeCurrent(gl->dpy, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
	eglDestroyContext(gl->dpy, gl->ctx);
	eglTerminate(gl->dpy);
	if (gl->gbm)
		gbm_device_destroy(gl->gbm);
	if (gl->fd >= 0)
		close(gl->fd);
}

bool gl_has(struct gl *gl, const char *extension)
{
	return strstr(eglQueryString(gl->dpy, EGL_EXTENSIONS), extension);
}

static void set_parameters(GLenum target)
{
	glTexParameteri(target, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
	glTexParameteri(target, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
	glTexParameteri(target, GL_TEXTURE_WRAP_S, GL_CLAMP_TO_EDGE);
	glTexParameteri(target, GL_TEXTURE_WRAP_T, GL_CLAMP_TO_EDGE);
}

GLuint make_texture(unsigned int width, unsigned int height, const void *data)
{
	GLuint texture;

	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_2D, texture);
	set_parameters(GL_TEXTURE_2D);
	glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, width, height, 0, GL_RGBA,
		     GL_UNSIGNED_BYTE, data);
	check(glGetError() == GL_NO_ERROR);
	return texture;
}

GLuint make_target(GLuint texture)
{
	GLuint target;

	glGenFramebuffers(1, &target);
	glBindFramebuffer(GL_FRAMEBUFFER, target);
	glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0,
			       GL_TEXTURE_2D, texture, 0);
	check(glCheckFramebufferStatus(GL_FRAMEBUFFER) ==
	      GL_FRAMEBUFFER_COMPLETE);
	return target;
}

static void draw_all(unsigned int width, unsigned int height)
{
	static const GLfloat corners[] = { -1, -1, 1, -1, -1, 1, 1, 1 };

	glViewport(0, 0, width, height);
	glVertexAttribPointer(0, 2, GL_FLOAT, GL_FALSE, 0, corners);
	glEnableVertexAttribArray(0);
	glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
	check(glGetError() == GL_NO_ERROR);
}

void draw_pattern(struct gl *gl, unsigned int width, unsigned int height,
		  unsigned int seed)
{
	glUseProgram(gl->pattern);
	glUniform1f(glGetUniformLocation(gl->pattern, "seed"), seed % 256);
	draw_all(width, height);
}

void draw_heavy(struct gl *gl, unsigned int width, unsigned int height,
		unsigned int seed)
{
	glUseProgram(gl->heavy);
	glUniform1f(glGetUniformLocation(gl->heavy, "seed"), seed % 256);
	glUniform1f(glGetUniformLocation(gl->heavy, "step"), 3);
	draw_all(width, height);
}

void draw_copy(struct gl *gl, GLuint texture, unsigned int width,
	       unsigned int height, unsigned int add)
{
	glUseProgram(gl->copy);
	glBindTexture(GL_TEXTURE_2D, texture);
	glUniform2f(glGetUniformLocation(gl->copy, "size"), width, height);
	glUniform1f(glGetUniformLocation(gl->copy, "add"), add % 256);
	draw_all(width, height);
}

void draw_external(struct gl *gl, GLuint texture, unsigned int width,
		   unsigned int height)
{
	check(gl->external);
	glUseProgram(gl->external);
	glBindTexture(GL_TEXTURE_EXTERNAL_OES, texture);
	glUniform2f(glGetUniformLocation(gl->external, "size"), width, height);
	draw_all(width, height);
}

uint32_t pattern_pixel(unsigned int x, unsigned int y, unsigned int seed)
{
	uint8_t red = x * 3 + y * 7 + seed;
	uint8_t green = x + y * 5 + seed % 256 * 3;
	uint8_t blue = x * y + seed;

	return red | green << 8 | blue << 16 | 0xffu << 24;
}

uint32_t copy_pixel(unsigned int x, unsigned int y, unsigned int height,
		    unsigned int seed, unsigned int add)
{
	uint32_t from = pattern_pixel(x, height - 1 - y, seed);
	uint8_t red = from + add, green = (from >> 8) + add;
	uint8_t blue = (from >> 16) + add;

	return red | green << 8 | blue << 16 | 0xffu << 24;
}

static void expect(unsigned int width, unsigned int height, unsigned int seed,
		   bool copied, unsigned int add)
{
	uint32_t *pixels = malloc(width * height * 4);
	unsigned long wrong = 0;

	check(pixels);
	/* What is not read stays wrong. */
	memset(pixels, 0x5a, width * height * 4);
	glReadPixels(0, 0, width, height, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
	check(glGetError() == GL_NO_ERROR);
	for (unsigned int y = 0; y < height; y++) {
		for (unsigned int x = 0; x < width; x++) {
			uint32_t right = copied ?
				copy_pixel(x, y, height, seed, add) :
				pattern_pixel(x, y, seed);

			if (pixels[y * width + x] != right && !wrong++)
				fprintf(stderr,
					"at %u, %u: %08x instead of %08x\n", x,
					y, pixels[y * width + x], right);
		}
	}
	free(pixels);
	if (wrong)
		fail("%lu of %u pixels are wrong", wrong, width * height);
}

void expect_pattern(unsigned int width, unsigned int height, unsigned int seed)
{
	expect(width, height, seed, false, 0);
}

void expect_copy(unsigned int width, unsigned int height, unsigned int seed,
		 unsigned int add)
{
	expect(width, height, seed, true, add);
}

/* RGBA, as it is in memory, to a format's own. */
static uint32_t convert(uint32_t rgba, uint32_t format, uint32_t *mask)
{
	*mask = ~0u;
	switch (format) {
	case DRM_FORMAT_XBGR8888:
		*mask = 0xffffff;
		return rgba;
	case DRM_FORMAT_ABGR8888:
		return rgba;
	case DRM_FORMAT_XRGB8888:
		*mask = 0xffffff;
		break;
	case DRM_FORMAT_ARGB8888:
		break;
	default:
		fail("format %.4s", (char *)&format);
	}
	return (rgba & 0xff00ff00) | (rgba & 0xff) << 16 | (rgba >> 16 & 0xff);
}

void expect_memory(const void *map, unsigned int stride, uint32_t format,
		   unsigned int width, unsigned int height, unsigned int seed)
{
	unsigned long wrong = 0;

	for (unsigned int y = 0; y < height; y++) {
		const uint32_t *line = map + (size_t)y * stride;

		for (unsigned int x = 0; x < width; x++) {
			uint32_t mask, right = convert(pattern_pixel(x, y, seed),
						       format, &mask);

			if ((line[x] ^ right) & mask && !wrong++)
				fprintf(stderr,
					"at %u, %u: %08x instead of %08x\n",
					x, y, line[x], right);
		}
	}
	if (wrong)
		fail("%lu of %u pixels in memory are wrong", wrong,
		     width * height);
}

EGLImageKHR import_image(struct gl *gl, int dmabuf, unsigned int width,
			 unsigned int height, unsigned int stride,
			 unsigned int offset, uint32_t format)
{
	PFNEGLCREATEIMAGEKHRPROC create = function("eglCreateImageKHR");
	const EGLint attributes[] = {
		EGL_WIDTH, width,
		EGL_HEIGHT, height,
		EGL_LINUX_DRM_FOURCC_EXT, format,
		EGL_DMA_BUF_PLANE0_FD_EXT, dmabuf,
		EGL_DMA_BUF_PLANE0_OFFSET_EXT, offset,
		EGL_DMA_BUF_PLANE0_PITCH_EXT, stride,
		EGL_DMA_BUF_PLANE0_MODIFIER_LO_EXT, 0,
		EGL_DMA_BUF_PLANE0_MODIFIER_HI_EXT, 0,
		EGL_NONE,
	};

	return create(gl->dpy, EGL_NO_CONTEXT, EGL_LINUX_DMA_BUF_EXT, NULL,
		      attributes);
}

GLuint import_texture(struct gl *gl, int dmabuf, unsigned int width,
		      unsigned int height, unsigned int stride, uint32_t format)
{
	PFNEGLDESTROYIMAGEKHRPROC destroy = function("eglDestroyImageKHR");
	PFNGLEGLIMAGETARGETTEXTURE2DOESPROC target =
		function("glEGLImageTargetTexture2DOES");
	EGLImageKHR image = import_image(gl, dmabuf, width, height, stride, 0,
					 format);
	GLuint texture;

	if (image == EGL_NO_IMAGE_KHR)
		fail("eglCreateImage of a dma-buf: 0x%x", eglGetError());
	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_2D, texture);
	set_parameters(GL_TEXTURE_2D);
	target(GL_TEXTURE_2D, image);
	check(glGetError() == GL_NO_ERROR);
	destroy(gl->dpy, image);
	return texture;
}
