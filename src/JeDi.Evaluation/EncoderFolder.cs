using JeDi.Files.Safetensors;
using JeDi.Models;

namespace JeDi.Evaluation;

/// <summary>The files of an encoder in transformers' form.</summary>
static class EncoderFolder
{
    public static ConfigReader Config(string folder)
    {
        string path = Path.Combine(folder, "config.json");
        return File.Exists(path)
            ? ConfigReader.Parse(ConfigReader.ReadText(path), path)
            : throw new EvaluationException($"{path}: missing; a folder with config.json and model.safetensors is wanted, as "
                + "transformers' save_pretrained writes it");
    }

    public static SafetensorsSet Weights(string folder) => SafetensorsSet.Open(CheckpointFolder.WeightFile(folder, "model"));

    public static Preparation Preparation(string folder, Preparation otherwise)
    {
        string path = Path.Combine(folder, "preprocessor_config.json");
        return File.Exists(path)
            ? Evaluation.Preparation.Read(ConfigReader.Parse(ConfigReader.ReadText(path), path), otherwise)
            : otherwise;
    }
}
