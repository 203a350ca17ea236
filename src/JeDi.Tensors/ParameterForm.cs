namespace JeDi.Tensors;

/// <summary>
/// What a device's kernels read instead of a parameter's plain value: panels, transposed panels, transformed filters, a copy in the compute
/// type. Each form is a class of the device that reads it; <see cref="Parameter.Form"/> finds a form by its class and has it made where
/// it is missing, so that a kernel with a new form changes nothing else.
/// </summary>
public abstract class ParameterForm
{
    /// <summary>Bytes on the device.</summary>
    public abstract long Bytes { get; }

    /// <summary>Makes the form anew from the value (or from another form that comes before it), in the same memory.</summary>
    public abstract void Rebuild(Parameter parameter);

    /// <summary>Gives its memory back.</summary>
    public abstract void Free();
}
