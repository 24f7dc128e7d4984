/* fused_attention.cu - cuDNN's attention by its graph interface.
 *
 * The graph has one operation, scaled dot product attention: a graph of products and a softmax, which cuDNN
 * has to recognize, is not needed. That operation came with cuDNN 9.13, was usable from 9.13.1 on, and has no
 * gradient: cuDNN 9.19 refuses a graph with the descriptor of the gradient, 9.26 has no engine for it.
 * Its constraints are left for cuDNN to know (bf16 or half, head sizes that are multiples of 8, compute
 * capability 8.0 on): what it cannot do it does not list.
 *
 * cuDNN lists what its heuristics choose, as "engine configurations": the second way of asking, FALLBACK,
 * lists nothing for this operation. A configuration is compiled when its plan is made, which takes half
 * a second or so; so that is done for those that are to be used only, and once. */
#include "kernels/cuda/fused_attention.h"

extern "C" {
#include "base/mem.h"
}

#if CUDNN_VERSION >= 91301

enum {
    FIRST_VERSION = 91301,
    ALIGNMENT = 16,
    MOST_ENGINES = 10000 /* a choice is below 2^20 (pyr_tuning) */
};
enum { UID_Q = 1, UID_K, UID_V, UID_Y, UID_SCALE, UID_SAVED };

/* ---- descriptors ------------------------------------------------------------------------------- */

/* Fills descriptors; after a refusal it does nothing more. */
typedef struct maker {
    pyr_cuda_libraries *l;
    pyr_fused *f; /* owns what is made; NULL: the caller does */
    bool refused;
} maker;

static cudnnBackendDescriptor_t make(maker *m, cudnnBackendDescriptorType_t type)
{
    cudnnBackendDescriptor_t made = NULL;

    m->refused |= m->f && m->f->n_made == PYR_FUSED_DESCRIPTORS;
    m->refused = m->refused || m->l->cudnnBackendCreateDescriptor(type, &made) != CUDNN_STATUS_SUCCESS;
    if (m->refused)
        return NULL;
    if (m->f)
        m->f->made[m->f->n_made++] = made;
    return made;
}

static void set(maker *m, cudnnBackendDescriptor_t of, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    m->refused =
        m->refused || m->l->cudnnBackendSetAttribute(of, name, type, count, values) != CUDNN_STATUS_SUCCESS;
}

static void set_part(maker *m, cudnnBackendDescriptor_t of, cudnnBackendAttributeName_t name,
                     cudnnBackendDescriptor_t part)
{
    set(m, of, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &part);
}

static void finish(maker *m, cudnnBackendDescriptor_t of)
{
    m->refused = m->refused || m->l->cudnnBackendFinalize(of) != CUDNN_STATUS_SUCCESS;
}

static cudnnBackendDescriptor_t make_tensor(maker *m, int64_t uid, cudnnDataType_t type, int dims,
                                            const int64_t *sizes, const int64_t *strides)
{
    cudnnBackendDescriptor_t t = make(m, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    int64_t alignment = ALIGNMENT;
    bool by_value = uid == UID_SCALE;

    set(m, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid);
    set(m, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(m, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, dims, sizes);
    set(m, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, dims, strides);
    set(m, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    if (by_value)
        set(m, t, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &by_value);
    finish(m, t);
    return t;
}

/* Image, head, token, feature: as cuDNN counts. */
static cudnnBackendDescriptor_t make_image(maker *m, int64_t uid)
{
    const pyr_fused_shape *s = &m->f->shape;
    int64_t n = s->images, t = s->tokens, h = s->heads, d = s->d;
    const int64_t sizes[] = {n, h, t, d}, strides[] = {t * h * d, d, h * d, 1};

    return make_tensor(m, uid, CUDNN_DATA_BFLOAT16, 4, sizes, strides);
}

static cudnnBackendDescriptor_t make_saved(maker *m)
{
    const pyr_fused_shape *s = &m->f->shape;
    int64_t n = s->images, t = s->tokens, h = s->heads;
    const int64_t sizes[] = {n, h, t, 1}, strides[] = {h * t, t, 1, 1};

    return make_tensor(m, UID_SAVED, CUDNN_DATA_FLOAT, 4, sizes, strides);
}

static cudnnBackendDescriptor_t make_graph(maker *m)
{
    const int64_t one = 1;
    cudnnBackendDescriptor_t attention = make(m, CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR), graph;

    set_part(m, attention, CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, make_image(m, UID_Q));
    set_part(m, attention, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, make_image(m, UID_K));
    set_part(m, attention, CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, make_image(m, UID_V));
    set_part(m, attention, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, make_image(m, UID_Y));
    set_part(m, attention, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC,
             make_tensor(m, UID_SCALE, CUDNN_DATA_FLOAT, 1, &one, &one));
    if (m->f->shape.saves)
        set_part(m, attention, CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, make_saved(m));
    finish(m, attention);
    graph = make(m, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set_part(m, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, attention);
    set(m, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &m->l->cudnn);
    finish(m, graph);
    return graph;
}

/* ---- what there is ------------------------------------------------------------------------------ */

/* `count` values of an attribute at most; how many there are, 0 when cuDNN refuses. */
static int64_t get_some(const pyr_cuda_libraries *l, cudnnBackendDescriptor_t of,
                        cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                        void *values)
{
    int64_t n = 0;

    if (l->cudnnBackendGetAttribute(of, name, type, count, &n, values) != CUDNN_STATUS_SUCCESS)
        return 0;
    return count && n > count ? count : n;
}

/* The same bits every time, and sums as fine as float's. */
static bool engine_is_suitable(const pyr_cuda_libraries *l, cudnnBackendDescriptor_t engine)
{
    cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    int64_t n = 0;

    if (l->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                    CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n, notes) != CUDNN_STATUS_SUCCESS)
        return false;
    for (int64_t i = 0; i < n && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT; i++)
        if (notes[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC ||
            notes[i] == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)
            return false;
    return true;
}

/* Takes a configuration in when its engine is suitable. */
static void consider(pyr_cuda_libraries *l, pyr_fused *f, cudnnBackendDescriptor_t config)
{
    maker m = {l, NULL, false};
    cudnnBackendDescriptor_t engine = make(&m, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    int64_t index = 0;

    if (m.refused)
        return;
    if (get_some(l, config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &engine) &&
        get_some(l, engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &index) &&
        index < MOST_ENGINES && engine_is_suitable(l, engine)) {
        pyr_fused_way *way = &f->way[f->n++];

        way->config = config;
        way->number = 100 * (int)index + 1;
        for (int i = 0; i < f->n - 1; i++)
            way->number += f->way[i].number / 100 == index;
    }
    l->cudnnBackendDestroyDescriptor(engine);
}

/* cuDNN says first how many its heuristics know, then gives those that work here. */
static void list_ways(maker *m, cudnnBackendDescriptor_t graph)
{
    cudnnBackendDescriptor_t list = make(m, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR), configs[PYR_FUSED_WAYS];
    cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
    int64_t n;

    set_part(m, list, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    set(m, list, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    finish(m, list);
    if (m->refused)
        return;
    n = get_some(m->l, list, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, NULL);
    if (n > PYR_FUSED_WAYS)
        n = PYR_FUSED_WAYS;
    for (int64_t i = 0; i < n; i++)
        configs[i] = make(m, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    if (n == 0 || m->refused)
        return;
    n = get_some(m->l, list, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, n, configs);
    for (int64_t i = 0; i < n; i++)
        consider(m->l, m->f, configs[i]);
}

static bool can_ask(const pyr_kernels *k)
{
    const pyr_cuda_libraries *l = pyr_cuda_libraries_of(k);

#define THERE(function) l->function &&
    return PYR_CUDNN_GRAPH_FUNCTIONS(THERE) l->cudnnGetVersion() >= FIRST_VERSION &&
           pyr_cuda_of(k)->major >= 8;
#undef THERE
}

pyr_status pyr_fused_find(pyr_fused **out, pyr_kernels *k, const pyr_fused_shape *shape)
{
    pyr_cuda_libraries *l = pyr_cuda_libraries_of(k);
    maker m = {l, NULL, false};

    for (pyr_fused *f = l->fused; f; f = f->next)
        if (f->shape.images == shape->images && f->shape.tokens == shape->tokens &&
            f->shape.heads == shape->heads && f->shape.d == shape->d && f->shape.saves == shape->saves) {
            *out = f;
            return PYR_OK;
        }
    PYR_TRY(pyr_new(out, 1, sizeof **out, "attention by cuDNN"));
    (*out)->shape = *shape;
    (*out)->next = l->fused;
    l->fused = *out;
    m.f = *out;
    if (can_ask(k))
        list_ways(&m, make_graph(&m));
    return PYR_OK;
}

bool pyr_fused_ready(pyr_kernels *k, pyr_fused *f, pyr_fused_way *way)
{
    maker m = {pyr_cuda_libraries_of(k), f, false};
    cudnnBackendDescriptor_t plan;
    int64_t workspace = 0;

    if (way->plan)
        return true;
    plan = make(&m, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    set_part(&m, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, way->config);
    finish(&m, plan);
    if (m.refused ||
        !get_some(m.l, plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &workspace))
        return false;
    if (workspace < 0 || (size_t)workspace > pyr_cuda_of(k)->memory / 32)
        return false;
    way->plan = plan;
    way->workspace = (size_t)workspace;
    return true;
}

/* ---- running ----------------------------------------------------------------------------------- */

static pyr_status fill_pack(pyr_cuda_libraries *l, cudnnBackendDescriptor_t pack, const pyr_fused_data *data,
                            const float *scale)
{
    const int64_t uids[] = {UID_Q, UID_K, UID_V, UID_Y, UID_SCALE, UID_SAVED};
    const void *pointers[] = {data->q, data->k, data->v, data->y, scale, data->saved};
    int64_t n = data->saved ? 6 : 5;

    PYR_TRY(PYR_CUDNN(l, cudnnBackendSetAttribute, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
                      n, uids));
    PYR_TRY(PYR_CUDNN(l, cudnnBackendSetAttribute, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                      CUDNN_TYPE_VOID_PTR, n, pointers));
    PYR_TRY(PYR_CUDNN(l, cudnnBackendSetAttribute, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE,
                      CUDNN_TYPE_VOID_PTR, 1, &data->workspace));
    return PYR_CUDNN(l, cudnnBackendFinalize, pack);
}

pyr_status pyr_fused_run(pyr_kernels *k, const pyr_fused_way *way, const pyr_fused_data *data, float scale)
{
    pyr_cuda_libraries *l = pyr_cuda_libraries_of(k);
    cudnnBackendDescriptor_t pack;
    pyr_status status;

    PYR_TRY(PYR_CUDNN(l, cudnnBackendCreateDescriptor, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack));
    status = fill_pack(l, pack, data, &scale);
    if (status == PYR_OK)
        status = PYR_CUDNN(l, cudnnBackendExecute, l->cudnn, way->plan, pack);
    l->cudnnBackendDestroyDescriptor(pack);
    return status;
}

void pyr_fused_close(pyr_cuda_libraries *l)
{
    while (l->fused) {
        pyr_fused *f = l->fused;

        l->fused = f->next;
        while (f->n_made)
            l->cudnnBackendDestroyDescriptor(f->made[--f->n_made]);
        pyr_free(f);
    }
}

#else /* headers of a cuDNN that has no such operation */

pyr_status pyr_fused_find(pyr_fused **out, pyr_kernels *, const pyr_fused_shape *)
{
    static pyr_fused none;

    *out = &none;
    return PYR_OK;
}

bool pyr_fused_ready(pyr_kernels *, pyr_fused *, pyr_fused_way *)
{
    return false;
}

pyr_status pyr_fused_run(pyr_kernels *, const pyr_fused_way *, const pyr_fused_data *, float)
{
    return pyr_fail(PYR_E_UNSUPPORTED, "this program was built without cuDNN's attention");
}

void pyr_fused_close(pyr_cuda_libraries *)
{
}

#endif
