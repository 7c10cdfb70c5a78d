# %% [markdown]
# # Label a folder of photos
#
# A dataset, a folder uploaded into it, four clicks on an object of each photo, and the labels out again as
# COCO: with the Python client, against a running Fourpoint. Run it as a program, or cell by cell in an editor
# that knows `# %%`.

# %%
import importlib.util
import json
import os
import shutil
import zipfile
from datetime import datetime
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw

from fourpoint_client import Client, calls

client = Client(os.environ.get("FOURPOINT_URL", "http://127.0.0.1:8040"), os.environ["FOURPOINT_TOKEN"])
output = Path("build", "label_a_folder")
photos = output / "photos"
photos.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# The photos, and where somebody clicks on them: the top, bottom, left and right end of one object, in pixels.
# These photos come with scikit-image. Take a folder and clicks of your own.

# %%
clicks = {
    "astronaut.png": ("head", (228, 15), (225, 190), (153, 80), (302, 88)),
    "coffee.png": ("cup", (287, 18), (288, 388), (77, 225), (479, 228)),
    "rocket.jpg": ("rocket", (322, 127), (322, 406), (311, 155), (333, 162)),
}
colours = {"head": "#4aa3ff", "cup": "#ffdd33", "rocket": "#00e5a0"}

scikit_image = Path(importlib.util.find_spec("skimage").origin).parent
for name in clicks:
    shutil.copy(scikit_image / "data" / name, photos)

# %% [markdown]
# A dataset with its labels, and the folder into it.

# %%
dataset = client.call(
    calls.create_dataset(
        {
            "name": f"A folder of photos, {datetime.now():%Y-%m-%d %H:%M:%S}",
            "labels": [{"name": name, "colour": colour} for name, colour in colours.items()],
        }
    )
)
samples = client.upload(
    dataset["id"],
    photos,
    lambda now: print(f"{now.files_done} of {now.files} photos, {now.bytes_done:,} of {now.bytes:,} bytes"),
)

# %% [markdown]
# Four clicks give an outline. What is saved is the photo's document: all of its objects, under the tag of the
# state that was opened. Had somebody else saved meanwhile, `StaleError` would say what they changed.

# %%
for sample in samples:
    label, *points = clicks[sample["name"]]
    opened = client.open(sample["id"])
    outline = client.click(sample["id"], *points)
    client.save(opened, [{"contour_id": outline["contour_id"], "label": label}])
    print(f"{sample['name']}: {label}, {outline['vertices']} vertices, score {outline['score']:.2f}")

# %% [markdown]
# What is there now, over the photo: the clicks in white.


# %%
def overlay(sample_id, scale=2):
    """The photo with the outlines of its objects, which are in pixels of the upright photo."""
    photo = Image.open(BytesIO(client.call(calls.get_sample_image(sample_id)))).convert("RGB")
    drawn = photo.resize((photo.width * scale, photo.height * scale), Image.Resampling.LANCZOS)
    for annotation in client.open(sample_id).document["annotations"]:
        pen = ImageDraw.Draw(drawn, "RGBA")
        colour = annotation["label"]["colour"]
        for part in annotation["contour"]["parts"]:
            ring = [(x * scale, y * scale) for x, y in part["outer"]]
            pen.polygon(ring, fill=colour + "40")
            pen.line([*ring, ring[0]], fill=colour, width=4, joint="curve")
        for x, y in annotation["prompt"]["points"].values():
            pen.circle((x * scale, y * scale), 8, fill="white", outline="black", width=2)
    return drawn


def side_by_side(images, height=400):
    """One picture of them all."""
    fitted = [image.resize((round(image.width * height / image.height), height)) for image in images]
    sheet = Image.new("RGB", (sum(image.width for image in fitted), height))
    left = 0
    for image in fitted:
        sheet.paste(image, (left, 0))
        left += image.width
    return sheet


sheet = side_by_side([overlay(sample["id"]) for sample in samples])
sheet.save(output / "outlines.jpg", quality=88)
sheet

# %% [markdown]
# An export is a job; its archive is downloaded from a signed address.

# %%
job = client.call(calls.create_export(dataset["id"], {"format": "coco"}))
done = client.wait(job, lambda now: print(f"export {now['state']}"))
export = client.call(calls.get_export(dataset["id"], done["result"]["export_id"]))
client.download(export["download"]["url"], output / "labels.zip")

with zipfile.ZipFile(output / "labels.zip") as archive:
    coco = json.loads(archive.read("annotations/instances_default.json"))
print(f"{len(coco['annotations'])} objects on {len(coco['images'])} photos in {output / 'labels.zip'}")
print(f"The photos with their outlines: {output / 'outlines.jpg'}")

# %%
client.close()
